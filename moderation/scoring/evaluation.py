"""Measures the built-in model on labelled comments: ranking, calibration, slices, spam, and what its marks would do.

Only rows that training has not seen count: the data's `dev` split, held-out frames, and files that are for measuring
only. Needs numpy alone; the five folds over rows of both splits are in `folds.py` and need the extra `[train]`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moderation.errors import ModerationError
from moderation.scoring import comments, dataset, frames, metrics, reliability, slices
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.dataset import Example
from moderation.scoring.features import TOKEN, Encoded
from moderation.scoring.metrics import Bin, Curve, Estimate, Floats, Labels
from moderation.scoring.normalise import folded
from moderation.signals import SIGNALS, SPAM, TOXICITY

Show = Callable[[str], None]

FEW = 10
"""A source with fewer rows for a signal gets no line."""

FALSE_POSITIVES = 0.01
"""Share of good comments at which the recall of spam is reported."""

GAMBLING = "id_judol_gbennnn"
PRESUMED_HAM = {
    "en": ("en_civil_toxicspans", "en_davidson", "en_surge", "en_wiki_cat"),
    "id": ("id_smsa_weakneg",),
}
"""Sources nobody labelled for spam: comments that are taken for none."""


class EvaluationError(ModerationError):
    """There is nothing to measure."""

    code = "evaluation_refused"


def auc_of(curve: Curve) -> Floats:
    """The curve's AUC."""
    return curve.auc


def ap_of(curve: Curve) -> Floats:
    """The curve's average precision."""
    return curve.average_precision


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table, with 95 % intervals.

    `caught` is the share of bad comments at or over the signal's hold mark, `held` the share of good ones; `f1` is that
    of holding at the mark.
    """

    source: str
    lang: str
    signal: str
    good: int
    bad: int
    auc: Estimate
    ap: Estimate
    f1: float | None
    caught: Estimate
    held: Estimate

    def __str__(self) -> str:
        return (
            f"{self.source:<22} {self.lang:<2} {self.signal:<16} {self.good:>6,} {self.bad:>6,}  {self.auc!s:<20} "
            f"{self.ap!s:<20} {'–' if self.f1 is None else format(self.f1, '.3f'):<6} {self.caught!s:<20} {self.held}"
        )


PLOTTED = {"en, dev rows": "English, dev rows", "id, held-out frames": "Indonesian, held-out frames"}
"""What the reliability plot shows: the rows that the probabilities were calibrated on."""

HEAD = (
    f"{'source':<22} {'':<2} {'signal':<16} {'good':>6} {'bad':>6}  {'AUC':<20} {'AP':<20} {'F1':<6} {'caught':<20}"
    " held"
)


def result(source: str, lang: str, signal: str, labels: Labels, values: Floats, hold: float) -> Result:
    """The line of some comments: labels 0 or 1 and probabilities [n]."""
    over = values >= hold
    bad = int(labels.sum())
    area, precision = metrics.estimates(labels, values, (auc_of, ap_of))
    caught = metrics.proportion(float(over[labels == 1].mean()) if bad else 0.0, bad)
    held = metrics.proportion(float(over[labels == 0].mean()) if bad < len(labels) else 0.0, len(labels) - bad)
    return Result(source, lang, signal, len(labels) - bad, bad, area, precision, metrics.f1(labels, over), caught, held)


class Measured:
    """Rows with what the scorer says of them."""

    def __init__(self, scorer: BuiltinScorer, rows: Sequence[Example]) -> None:
        self.rows = rows
        self.scorer = scorer
        found = scorer.score([row.text for row in rows], spans=False)
        self.values = np.array([[one.signals[name] for name in SIGNALS] for one in found]).reshape(-1, len(SIGNALS))
        self.hold = np.array([scorer.recommended_hold.get(name, 1.0) for name in SIGNALS])

    @cached_property
    def slices(self) -> list[frozenset[str]]:
        """The slices of every row."""
        words = self.scorer.model.lexicon
        return [slices.slices_of(Encoded(row.text, words)) for row in self.rows]

    def of(self, signal: str, wanted: Callable[[Example], bool]) -> NDArray[np.int64]:
        """Places of the rows that are measured for a signal."""
        return np.array([i for i, row in enumerate(self.rows) if measured(row, signal) and wanted(row)], dtype=np.int64)

    def labels(self, signal: str, places: NDArray[np.int64]) -> Labels:
        """Labels of some rows."""
        return np.array([self.rows[i].labels[signal] for i in places], dtype=np.int64)

    def said(self, signal: str, places: NDArray[np.int64]) -> Floats:
        """Probabilities of some rows."""
        found: Floats = self.values[places, SIGNALS.index(signal)]
        return found

    def line(self, source: str, lang: str, signal: str, places: NDArray[np.int64]) -> Result:
        """One line of a table."""
        mark = float(self.hold[SIGNALS.index(signal)])
        return result(source, lang, signal, self.labels(signal, places), self.said(signal, places), mark)


def measured(row: Example, signal: str) -> bool:
    """Whether a row measures a signal. Weak labels rank nothing: they only count among the good comments."""
    weak = "weak" in row.tags and signal != SPAM
    return signal in row.labels and not weak and not (signal == SPAM and "ham" in row.tags)


def table(found: Measured) -> Iterator[Result]:
    """A line for every source, language and signal."""
    for source, lang in sorted({(row.group, row.lang) for row in found.rows}):
        for signal in SIGNALS:
            places = found.of(signal, partial(_same, lambda row: (row.group, row.lang), (source, lang)))
            if len(places) >= FEW and found.labels(signal, places).any():
                yield found.line(source, lang, signal, places)


def _same(part: Callable[[Example], object], wanted: object, row: Example) -> bool:
    return part(row) == wanted


def sliced(found: Measured, lang: str) -> Iterator[Result]:
    """Toxicity by slice of a language, over all its sources."""
    for name in slices.NAMES:
        inside = set(slices.places(found.slices, name).tolist())
        places = found.of(TOXICITY, lambda row: row.lang == lang)
        places = places[[place in inside for place in places.tolist()]]
        if len(places) >= FEW:
            yield found.line(name, lang, TOXICITY, places)


def is_frame(row: Example) -> bool:
    """Whether a row is a sentence of this project's corpora."""
    return row.group in dataset.FRAMES


def is_comment(row: Example) -> bool:
    """Whether a row is one of the whole comments written for this project."""
    return row.group in dataset.COMMENTS


WRITTEN = "id, written comments"
"""Caption of the whole comments written for this project."""


def calibration(found: Measured, extra: frozenset[str]) -> Iterator[tuple[str, list[Bin]]]:
    """Reliability of toxicity: data rows, held-out frames, written comments, and every file that is only measured."""

    def part(row: Example) -> str:
        if row.group in extra:
            return row.group
        if is_comment(row):
            return WRITTEN
        return f"{row.lang}, {'held-out frames' if is_frame(row) else 'dev rows'}"

    captions = ("en, dev rows", "id, held-out frames", "id, dev rows", WRITTEN, "en, held-out frames", *sorted(extra))
    for caption in captions:
        places = found.of(TOXICITY, partial(_same, part, caption))
        if len(places):
            yield caption, metrics.reliability(found.labels(TOXICITY, places), found.said(TOXICITY, places))


def spam(found: Measured, trained: Sequence[Example]) -> Iterator[str]:
    """What is said of advertising: recall where hardly any good comment is held, new words, and clean comments held."""
    places = found.of(SPAM, lambda row: row.group == GAMBLING)
    labels, values = found.labels(SPAM, places), found.said(SPAM, places)
    mark = float(found.hold[SIGNALS.index(SPAM)])
    (recall,) = metrics.estimates(labels, values, (lambda curve: curve.recall_at(FALSE_POSITIVES),))
    yield f"gambling spam: recall at {FALSE_POSITIVES:.0%} false positives {recall}"
    bad = [int(place) for place in places if found.rows[place].labels[SPAM] == 1]
    only = words_of_spam_only(trained)
    new = [i for i in bad if not only & words(found.rows[i].text)]
    share = float((found.said(SPAM, np.array(new, dtype=np.int64)) >= mark).mean()) if new else 0.0
    yield (
        f"gambling spam without a word that only training spam has: {len(new)} of {len(bad)} comments, "
        f"caught at the mark {metrics.proportion(share, len(new))}"
    )
    for lang, sources in PRESUMED_HAM.items():
        clean = np.array([i for i, row in enumerate(found.rows) if row.group in sources], dtype=np.int64)
        share = float((found.said(SPAM, clean) >= mark).mean()) if len(clean) else 0.0
        yield (
            f"clean {lang} comments held as spam ({', '.join(sources)}): {len(clean):,}, "
            f"{metrics.proportion(share, len(clean))}"
        )
    clean = places[labels == 0]
    share = float((found.said(SPAM, clean) >= mark).mean()) if len(clean) else 0.0
    yield f"clean id comments held as spam ({GAMBLING}): {len(clean):,}, {metrics.proportion(share, len(clean))}"


def words(text: str) -> set[str]:
    """The words of a text, folded."""
    return set(TOKEN.findall(folded(text)))


def words_of_spam_only(rows: Sequence[Example]) -> set[str]:
    """Words that training rows hold in spam and nowhere else."""
    spam_words: set[str] = set()
    ham_words: set[str] = set()
    for row in rows:
        if SPAM in row.labels:
            (spam_words if row.labels[SPAM] == 1 else ham_words).update(words(row.text))
    return spam_words - ham_words


def held_by_any(found: Measured) -> Iterator[tuple[str, int, float]]:
    """Per source of good comments: how many, and the share that any signal would hold."""
    for source in sorted({row.group for row in found.rows}):
        good = [
            i for i, row in enumerate(found.rows) if row.group == source and row.labels and not any(row.labels.values())
        ]
        if len(good) >= FEW:
            yield source, len(good), float((found.values[good] >= found.hold).any(axis=1).mean())


def evaluate(
    data_dir: Path, extra: Sequence[Path] = (), show: Show = print, plot: Path | None = None
) -> tuple[list[Result], dict[str, list[Bin]]]:
    """Print the figures for the unseen rows of `data_dir`, the held-out frames and the `extra` files.

    `extra` files are for measuring only: all their rows count, whatever split they name. Returns the table and the
    bins of the reliability plot, which is written to `plot`. Raises EvaluationError, and DatasetError where a
    file cannot be read.
    """
    scorer = BuiltinScorer()
    labelled = dataset.read(data_dir)
    if not labelled:
        raise EvaluationError(f"There is no *.csv.gz with labelled comments in {data_dir}.")
    everything = [*labelled, *frames.examples(), *comments.examples()]
    more = [row for path in extra for row in dataset.read_file(path)]
    found = Measured(scorer, [row for row in everything if row.dev] + more)
    show(f"scorer {scorer.version}, hold marks {dict(scorer.recommended_hold)}")
    show("intervals: 95 %, bootstrap for AUC and AP, Wilson for shares; F1, caught and held at the mark")
    show(HEAD)
    results = []
    for line in table(found):
        results.append(line)
        show(str(line))
    for lang in ("id", "en"):
        show(f"\ntoxicity by slice, {lang}, all sources")
        for line in sliced(found, lang):
            show(str(line))
    show("\ncalibration of toxicity, expected calibration error over ten bins")
    bins = dict(calibration(found, frozenset(row.group for row in more)))
    for caption, own in bins.items():
        show(f"{caption}: ECE {metrics.calibration_error(own):.3f} over {sum(one.count for one in own):,} comments")
    show("")
    for text in spam(found, [row for row in everything if not row.dev]):
        show(text)
    show("\ngood comments held by any signal")
    for source, count, share in held_by_any(found):
        show(f"{source:<22} {count:>6,}  {share:.1%}")
    if plot is not None:
        drawn = {title: bins[caption] for caption, title in PLOTTED.items() if caption in bins}
        plot.write_text(reliability.draw(drawn, "Toxicity: what the built-in scorer said, and what was seen"), "utf-8")
        show(f"wrote {plot}")
    return results, bins
