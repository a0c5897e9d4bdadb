"""Tiny checkpoints in Detoxify's real format, made in seconds and without a network."""

import random
from pathlib import Path
from typing import Any

CLASSES = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
WORDS = [
    "the",
    "a",
    "you",
    "are",
    "is",
    "idiot",
    "good",
    "article",
    "thank",
    "stupid",
    "this",
    "was",
    "very",
    "bad",
    "nice",
    "people",
    "and",
    "kill",
    "love",
    "hate",
]


def make(
    folder: Path,
    *,
    window: int = 32,
    drop: str = "",
    flat: bool = False,
    steep: float = 1.0,
    extra: dict[str, Any] | None = None,
) -> Path:
    """A BERT of one layer with a vocabulary of a few words. The tensors whose name contains `drop` are left out. The
    more `steep`, the more a single word moves a score."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    base = folder / "base"
    base.mkdir(parents=True)
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=window,
    )
    config.num_labels = len(CLASSES)
    config.save_pretrained(base)
    BertTokenizer(vocab=vocabulary, model_max_length=window).save_pretrained(base)
    torch.manual_seed(random.Random(4).randrange(1000))
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.mul_(4.0)  # so that texts differ by more than rounding
        model.classifier.weight.mul_(steep)
        if flat:
            model.classifier.weight.zero_()
    state = {name: value for name, value in model.state_dict().items() if not drop or drop not in name}
    arguments = {
        "model_type": str(base),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": len(CLASSES),
        **(extra or {}),
    }
    content = {"config": {"arch": {"args": arguments}, "dataset": {"args": {"classes": CLASSES}}}, "state_dict": state}
    path = folder / "tiny.ckpt"
    torch.save(content, path)
    return path
