"""What a code point looks like: the tables behind the text views.

Three sorts of look-alikes are told apart, because they mean different things about the writer:

* STYLED: made by "fancy text" generators (mathematical, circled, squared, small-capital, fullwidth letters). Nobody's
  keyboard types them: they read as Latin letters wherever they stand.
* BORROWED: ordinary letters of another script (Cyrillic, Greek, Cherokee, Canadian syllabics, Han, currency signs) that
  look like Latin ones. They are read as Latin only inside a word that also has Latin letters, or as a whole word of
  look-alikes in a Latin text; a Russian comment stays Russian.
* HIDDEN: no ink at all (zero-width, format, variation and filler characters).

The assignments come from the code charts of The Unicode Standard (names "SMALL CAPITAL", "NEGATIVE SQUARED", …) and
from what such generators emit; what `unicodedata` can derive (compatibility decompositions) is not listed.
"""

import unicodedata
from enum import IntEnum


class Kind(IntEnum):
    """How a code point was read."""

    PLAIN = 0
    STYLED = 1
    BORROWED = 2
    HIDDEN = 3
    MARK = 4
    REGIONAL = 5


_LATIN = "abcdefghijklmnopqrstuvwxyz"


def _pairs(*rows: tuple[str, str]) -> dict[str, str]:
    table: dict[str, str] = {}
    for letters, forms in rows:
        for letter, form in zip(letters, forms, strict=True):
            table.setdefault(form, letter)
    return table


_STYLED = _pairs(
    ("abcdefghijklmnopqrstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ"),
    # turned, hooked and barred letters that no keyboard of our readers has
    ("aaacdeeeffghhiirklmnnoqrrrstuvvwyyzbgz", "ɐɑɒɔɖǝɘəɟƒɢɥɦᴉɩɾʞʅɯɳɲɵʠɹɾɽʂʇʋʌⱴʍʎʏʐɓɠʑ"),
    ("abcehjlortuyzpkn", "ⱥƀȼɇħɉłøɍŧʉɏƶᵽꝁꞥ"),
)
_STYLED.update({chr(0x1F150 + i): letter for i, letter in enumerate(_LATIN)})  # negative circled
_STYLED.update({chr(0x1F170 + i): letter for i, letter in enumerate(_LATIN)})  # negative squared
_STYLED.update({chr(0x249C + i): letter for i, letter in enumerate(_LATIN)})  # parenthesised small
_STYLED.update({chr(0x1F110 + i): letter for i, letter in enumerate(_LATIN)})  # parenthesised capital
_STYLED.update({chr(0xE0061 + i): "" for i in range(26)})  # tags: no ink; see HIDDEN below
for _first in (0x2776, 0x2780, 0x278A):  # dingbat circled digits 1..9
    _STYLED.update({chr(_first + i): str(i + 1) for i in range(9)})
_STYLED.update({chr(0x24F5 + i): str(i + 1) for i in range(9)})  # double circled digits
_STYLED.update({chr(0x2474 + i): str(i + 1) for i in range(9)})  # parenthesised digits
_STYLED.update({"⓪": "0", "⓿": "0", "🄋": "0", "🄌": "0", "🄀": "0", "ß": "ss"})
for _code in range(0xE0061, 0xE0061 + 26):
    del _STYLED[chr(_code)]
# Letters of living Latin alphabets: they fold, but they are nobody's disguise.
_NATIVE = {
    "ł": "l",
    "ø": "o",
    "đ": "d",
    "ħ": "h",
    "ŧ": "t",
    "ı": "i",
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
    "ð": "d",
    "þ": "th",
}
for _letter in _NATIVE:
    _STYLED.pop(_letter, None)

_BORROWED = _pairs(
    # Cyrillic
    ("abceehijkmhopctyxsbnurwdgqlv", "аьсеёһіјкмнорстухѕвпцгшԁԍԛӏѵ"),
    # Greek
    ("abyeznhikvuoptuxwsfdlm", "αβγεζηһικνυορτυχωςφδλμ"),
    # Armenian, Hebrew-free: only what generators use
    ("uhnoqsjgl", "սհոօզտյցլ"),
    # Cherokee
    ("dritygajewlhzvpkscubm", "ᎠᎡᎢᎿᎩᏀᎪᎫᎬᎳᏞᎻᏃᏙᏢᏦᏕᏟᏌᏴᎷ"),
    # Canadian syllabics
    ("abcdefghjklmnopqrstuvwxyz", "ᗩᗷᑕᗪᕮᖴᘜᕼᒍᛕᒪᗰᑎᝪᑭᑫᖇᔕ丅ᑌᐯᗯ᙭ᖻᘔ"),
    # Han, kana and others
    ("abcdefghijklmnopqrstuvwxyz", "卂乃匚ᗞ乇千ᘏ卄丨ﾌҜㄥ爪几ㄖ卩ɋ尺丂ㄒㄩᐺ山乂ㄚ乙"),
    # currency and signs
    ("abcefklnptwyou", "₳฿₵€₣₭₤₦₱₮₩¥ØɄ"),
    ("bdlnsaqft", "ცძɬղჰสợբէ"),
)
_BORROWED = {form: letter for form, letter in _BORROWED.items() if form not in _STYLED and not form.isascii()}

_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0\ufffc")
_STYLE_TAGS = ("<font>", "<circle>", "<wide>", "<square>", "<super>", "<sub>")
_NOT_STYLE = frozenset("™℠ªº²³¹")
OVERLAYS = frozenset(map(chr, (*range(0x0332, 0x0339), 0x20D2, 0x20D3, 0x20E3, 0x0488, 0x0489)))
"""Combining marks that strike letters through or box them: one is enough to call the letter styled."""

_CODES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET EU FI FJ FK FM
    FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT
    JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN
    MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT
    PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL
    TM TN TO TR TT TV TW TZ UA UG UM UN US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
TERRITORIES = frozenset(_CODES.split())
"""ISO 3166-1 alpha-2 (and EU, UN, XK): two regional letters that spell one of these are a flag, not text."""


def read(char: str) -> tuple[str, str, Kind]:
    """How one code point reads: (folded, plain, kind).

    `folded` is what models see: lower case, without marks; it may hold several characters or none. `plain` is what a
    person reads, case kept. For BORROWED both are the Latin reading; the caller decides by the word around it.
    """
    code = ord(char)
    category = unicodedata.category(char)
    if category in ("Zs", "Zl", "Zp", "Cc") or code == 0x2800:
        return " ", " " if char not in "\n\r\t" else char, Kind.PLAIN
    if category == "Cf" or char in _FILLERS or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return "", "", Kind.HIDDEN
    if category in ("Mn", "Me"):
        return "", "", Kind.MARK
    if 0x1F1E6 <= code <= 0x1F1FF:
        letter = chr(code - 0x1F1E6 + ord("a"))
        return letter, letter.upper(), Kind.REGIONAL
    lower = char.lower()
    for form in (char, lower):
        if form in _STYLED:
            return _STYLED[form], _STYLED[form], Kind.STYLED
        if form in _BORROWED:
            return _BORROWED[form], _BORROWED[form], Kind.BORROWED
        if form in _NATIVE:
            return _NATIVE[form], char, Kind.PLAIN
    return _decomposed(char)


def _decomposed(char: str) -> tuple[str, str, Kind]:
    base = "".join(part for part in unicodedata.normalize("NFKD", char) if unicodedata.category(part) != "Mn")
    plain = base or char
    folded = plain.casefold()
    if folded == char.casefold():
        return folded, char, Kind.PLAIN
    if len(folded) == 1 and folded in _BORROWED and not char.isascii():  # a styled or accented foreign letter
        folded = _BORROWED[folded]
        return folded, folded, Kind.STYLED if unicodedata.decomposition(char).startswith("<font>") else Kind.BORROWED
    tag = unicodedata.decomposition(char)
    if tag.startswith(_STYLE_TAGS) and char not in _NOT_STYLE and plain.isascii() and plain.isalnum():
        return folded, plain, Kind.STYLED
    if unicodedata.category(char) == "Nd":
        return str(unicodedata.decimal(char)), char, Kind.PLAIN
    return folded, char, Kind.PLAIN
