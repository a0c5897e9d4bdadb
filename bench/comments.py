"""Reader comments made by a seeded generator, Indonesian and English: friendly ones, gambling, insults."""

import random
from dataclasses import dataclass
from typing import Any

_FRIENDLY = (
    "Terima kasih, artikelnya jelas dan bermanfaat sekali.",
    "Saya setuju dengan penulis, semoga pemerintah mendengar.",
    "Good summary, thank you. I would like to read the documents in full.",
    "Interesting point about the budget; where can I find the figures?",
    "Mohon diperjelas bagian terakhir, saya belum paham.\n\nSelain itu bagus 👍🏽",
    "Résumé très clair… naïve question: is the road “open” again?",
)
_GAMBLING = (
    "𝐏𝐔𝐋𝐀𝟕𝟕 slot gacor hari ini, daftar sekarang bonus 100%",
    "Main di MAXWIN88 pasti jackpot, depo 10 ribu, wa 0812-3456-7890",
    "s\u200bl\u200bo\u200bt online terpercaya, kunjungi http://slot-menang.example/daftar",
)
_INSULTS = (
    "Dasar goblok, wartawan tidak tahu apa-apa.",
    "You are a stupid idiot and nobody needs your opinion.",
)
_KINDS = (("friendly", _FRIENDLY), ("gambling", _GAMBLING), ("insult", _INSULTS))


@dataclass(frozen=True, slots=True)
class Made:
    """One comment to send: its `kind` (friendly, gambling, insult), the site's id for it, its text, its place."""

    kind: str
    external_id: str
    text: str
    number: int

    def body(self) -> dict[str, Any]:
        """What POST /api/v1/comments takes: ten stories, forty authors, half of them known by an id of the site."""
        story, author = self.number % 10, self.number % 40
        who = {"name": f"Pembaca {author}", "email": f"pembaca{author}@contoh.example"}
        if author % 2:
            who["external_id"] = f"pembaca-{author}"
        return {
            "external_id": self.external_id,
            "story": {
                "external_id": f"cerita-{story}",
                "url": f"http://warta.example/cerita/{story}",
                "title": f"Cerita {story}",
            },
            "author": who,
            "text": self.text,
        }


def make(count: int, seed: int) -> list[Made]:
    """`count` comments, the same for the same seed; every text differs from all others."""
    rand = random.Random(seed)
    made = []
    for number in range(count):
        kind, texts = rand.choices(_KINDS, weights=(6, 2, 2))[0]
        text = f"{rand.choice(texts)} ({rand.getrandbits(32):08x}-{number})"
        made.append(Made(kind, f"kacau-{seed}-{number}", text, number))
    return made
