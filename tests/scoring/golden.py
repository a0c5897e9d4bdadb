"""Texts whose probabilities are kept in golden.json: `python -m tests.scoring.golden` writes it anew.

Run it after `moderation train`, and look at the difference before you commit it. The same code and artefact must give
these numbers on every machine.
"""

import json
from pathlib import Path

from moderation.scoring.builtin import BuiltinScorer

FILE = Path(__file__).parent / "golden.json"

TEXTS = (
    "Terima kasih liputannya, sangat membantu warga.",
    "Kapan jembatan di desa kami diperbaiki, Pak Bupati?",
    "Dasar goblok, wartawan anjing, mati aja lo",
    "menteri ini otaknya di mana sih, gak becus kerja",
    "d4s4r t0l0l semua pejabatnya",
    "Anjing tetangga saya hilang, warnanya cokelat.",
    'Kata hakim, terdakwa menyebut korban "bodoh" di depan saksi.',
    "Tunggu aja di rumah lo, gue bacok lo malam ini",
    "Polisi menangkap pria yang mengancam akan membunuh tetangganya.",
    "Orang suku itu semuanya maling, usir saja dari sini",
    "Umat Islam dan Kristen bergotong royong membersihkan gereja.",
    "𝐏𝐔𝐋𝐀𝟕𝟕 gacor, depo 20rb langsung maxwin, daftar sekarang",
    "Pinjaman cepat cair tanpa jaminan, hubungi 0812-3456-7890",
    "Situs judi itu sudah diblokir, tetanggaku habis tabungannya.",
    "Thanks for the thorough reporting, very helpful.",
    "You are a stupid idiot and everybody knows it",
    "The senator's plan is a bad idea and will cost us dearly.",
    "I will find you and break your legs",
    "The court heard that he had called her an idiot.",
    "Check out my channel and subscribe, link in bio http://free-cash.example.com",
    "lol what a f**king clown",
    "mantap",
    "Ceci est un commentaire en français, tout à fait poli.",
    "Artikelnya bagus sekali. " * 30 + "Tapi penulisnya bangsat dan tolol, pantas dibuang ke laut.",
)


def judged() -> list[dict[str, object]]:
    """Language and probabilities of every text, in order."""
    return [
        {"text": text, "language": found.language, "signals": dict(found.signals)}
        for text, found in zip(TEXTS, BuiltinScorer().score(TEXTS, spans=False), strict=True)
    ]


if __name__ == "__main__":
    FILE.write_text(json.dumps(judged(), ensure_ascii=False, indent=1) + "\n", "utf-8")
