"""The two demo articles, written for this project in Indonesian and English. All names and figures are invented."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

SITE_NAME = "Warta Contoh"


@dataclass(frozen=True, slots=True)
class Text:
    """One article in one language."""

    section: str
    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Article:
    """One article: the id and the path under which its story is registered, and its texts by language."""

    external_id: str
    path: str
    published: date
    texts: Mapping[str, Text]

    def text(self, language: str) -> Text:
        """The article in a language, Indonesian where it was not translated."""
        return self.texts.get(language, self.texts["id"])


FERRY = Article(
    external_id="demo-1",
    path="/demo",
    published=date(2026, 11, 22),
    texts={
        "id": Text(
            section="Kota",
            title="Feri listrik pertama mulai menyeberangi Teluk Selasih, pedagang menunggu tarif muatan",
            paragraphs=(
                "Kapal feri bertenaga baterai pertama di Teluk Selasih mulai berlayar pekan ini. Dengan dua belas "
                "perjalanan sehari, kapal itu menghubungkan Pelabuhan Kenanga dan Pasar Lama dalam delapan belas "
                "menit, sepuluh menit lebih cepat daripada kapal solar yang digantikannya.",
                "Bagi penumpang, tarifnya tetap. Bagi pedagang, yang ditunggu adalah tarif muatan: berapa biaya "
                "membawa sepeda motor berkeranjang atau enam peti ikan pada jam pasar. Operator feri, perusahaan "
                "rekaan Bahari Contoh, berjanji mengumumkannya sebelum akhir bulan.",
                "“Kalau ongkos muatnya turun sedikit saja, saya bisa ke pasar dua kali sehari,” kata Bu Ratmi, "
                "penjual sayur yang sudah dua puluh tahun menyeberang setiap subuh.",
                "Tidak semua warga gembira. Nelayan di sisi timur teluk meminta jalur kapal digeser karena ombaknya "
                "mengganggu keramba. Pemerintah kota mengatakan jalur akan ditinjau setelah tiga bulan.",
                "Artikel ini ditulis untuk peragaan. Semua nama, tempat, dan angkanya rekaan.",
            ),
        ),
        "en": Text(
            section="City",
            title="First electric ferry crosses Selasih Bay while traders wait for the cargo fare",
            paragraphs=(
                "The first battery ferry on Selasih Bay started its service this week. Twelve times a day it links "
                "Kenanga Harbour and the Old Market in eighteen minutes, ten minutes less than the diesel boat that "
                "it replaces.",
                "For passengers the fare stays as it was. Traders wait for another figure: what it costs to bring a "
                "motorcycle with baskets, or six crates of fish, at market hours. The operator, the invented company "
                "Bahari Contoh, promises to tell before the end of the month.",
                "“If the cargo fare falls only a little, I can go to market twice a day,” says Ratmi, who sells "
                "vegetables and has crossed the bay before dawn for twenty years.",
                "Not everybody is glad. Fishers on the eastern shore ask for another route, because the waves disturb "
                "their floating cages. The city says that it will look at the route after three months.",
                "This article was written for a demonstration. All its names, places and figures are invented.",
            ),
        ),
    },
)

LIBRARY = Article(
    external_id="demo-2",
    path="/demo/2",
    published=date(2026, 11, 20),
    texts={
        "id": Text(
            section="Budaya",
            title="Perpustakaan keliling kembali ke Desa Melur setelah enam tahun",
            paragraphs=(
                "Mobil perpustakaan berwarna hijau itu berhenti di balai Desa Melur pada Jumat sore, pertama kali "
                "sejak enam tahun lalu. Dalam satu jam, tujuh puluh buku berpindah tangan; yang paling dicari komik "
                "sejarah dan buku resep.",
                "Pengelolanya, yayasan rekaan Rak Terbuka, akan datang setiap dua pekan. Artikel ini ditulis untuk "
                "peragaan; semua nama dan angkanya rekaan.",
            ),
        ),
        "en": Text(
            section="Culture",
            title="The travelling library is back in Melur after six years",
            paragraphs=(
                "On Friday afternoon the green library van stopped at the village hall of Melur, for the first time "
                "in six years. Within an hour seventy books had found a reader; history comics and cookery books went "
                "first.",
                "The invented foundation Rak Terbuka, which runs it, will come every two weeks. This article was "
                "written for a demonstration; all its names and figures are invented.",
            ),
        ),
    },
)

ARTICLES: Mapping[str, Article] = {article.external_id: article for article in (FERRY, LIBRARY)}
"""External story id → article, in the order in which the demo shows them."""
