"""The report of a rescore run in a terminal: what moves, against whom, and samples that steer no terminal."""

from dataclasses import replace

from moderation.rescoring import diff, report, told_lines
from moderation.rescoring.diff import Subject
from moderation.rescoring.report import Sample

WET = Subject(1, 1, "id", "approve", "hold", old={"spam": 0.1}, new={"spam": 0.9})
SAMPLE = Sample(1, "Rani", "", "id", "satu\ndua", (), "approve", "hold", "spam", 0.1, 0.9, 1.0, None)


def lines(*subjects: Subject, text: str = "satu") -> str:
    told = report.of_counts(diff.compare(subjects).counts)
    return "\n".join(told_lines.of(told, {("approve", "hold"): [replace(SAMPLE, text=text)]}))


def test_movements_stand_in_a_square_and_each_with_its_sample() -> None:
    told = lines(WET, replace(WET, comment_id=2, would="approve"))
    assert "2 comments compared, 1 would move, 0 failed" in told
    assert "approve              1         1         0" in told
    assert "by signal     spam 1" in told
    assert "by language   id 1" in told
    assert "approve:hold  1 comment, 0 decided by people" in told
    assert "spam 0.10 -> 0.90" in told
    assert "have decided on none" in told


def test_people_are_compared_before_and_after_and_few_decisions_are_called_few() -> None:
    decided = replace(WET, human="reject", old_would="approve")
    told = lines(decided)
    assert "1 decision: precision - -> 100.0%, recall 0.0% -> 100.0%, overturned 100.0% -> 0.0%" in told
    assert "so few decisions say little" in told
    assert "say little" not in lines(*[decided] * 30)
    assert "on comments without an old score: precision 100.0%" in lines(replace(decided, old_would=None))


def test_a_strangers_text_steers_no_terminal() -> None:
    told = lines(WET, text="satu\x1b[2Jdua\ntiga\u202eempat")
    assert "satu[2Jdua tigaempat" in told
    assert "\x1b" not in told
