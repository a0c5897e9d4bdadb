"""Detoxify-shaped checkpoints with random weights: the exact architecture of bert-base and xlm-roberta-base.

What a network costs does not depend on its values, so they serve for timing and for nothing else. The tokenizers are
trained on the texts at hand and filled up to the real vocabularies' sizes; real ones cut words a little differently.
"""

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CLASSES: Mapping[str, tuple[str, ...]] = {
    "bert-base": ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"),
    "xlm-roberta-base": (
        "toxicity",
        "severe_toxicity",
        "obscene",
        "identity_attack",
        "insult",
        "threat",
        "sexual_explicit",
    ),
}
MARKS = {
    "bert-base": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "xlm-roberta-base": ("<s>", "<pad>", "</s>", "<unk>"),
}
LEARNED = 20_000
"""Pieces that the tokenizers learn from the texts; the rest of the vocabulary is filler."""


def make(shape: str, folder: Path, texts: Sequence[str]) -> Path:
    """A checkpoint file of that shape in a new folder, beside its configuration and vocabulary."""
    torch = importlib.import_module("torch")
    transformers = importlib.import_module("transformers")
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    if shape == "bert-base":
        config = transformers.BertConfig(num_labels=len(CLASSES[shape]))
        model: Any = transformers.BertForSequenceClassification(config)
        vocabulary = word_pieces(texts, config.vocab_size)
        tokenizer = transformers.BertTokenizer(vocab=vocabulary, model_max_length=512)
    else:
        config = transformers.XLMRobertaConfig(
            vocab_size=250_002,
            max_position_embeddings=514,
            type_vocab_size=1,
            layer_norm_eps=1e-5,
            bos_token_id=0,
            pad_token_id=1,
            eos_token_id=2,
            num_labels=len(CLASSES[shape]),
        )
        model = transformers.XLMRobertaForSequenceClassification(config)
        # The tokenizer's mask comes on top of its vocabulary.
        pieces = unigrams(texts, config.vocab_size - 1)
        tokenizer = transformers.XLMRobertaTokenizer(vocab=pieces, model_max_length=512)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.ndim == 2:
                tensor.mul_(2.0)  # so that texts differ by more than rounding
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    name = type(model).__name__
    arguments = {
        "model_type": str(folder),
        "model_name": name,
        "tokenizer_name": type(tokenizer).__name__,
        "num_classes": len(CLASSES[shape]),
    }
    content = {"arch": {"args": arguments}, "dataset": {"args": {"classes": list(CLASSES[shape])}}}
    path = folder / f"{shape}.ckpt"
    torch.save({"config": content, "state_dict": model.state_dict()}, path)
    return path


def word_pieces(texts: Sequence[str], size: int) -> dict[str, int]:
    """A vocabulary of WordPiece, learned from the texts and filled up."""
    tokenizers = importlib.import_module("tokenizers")
    marks = MARKS["bert-base"]
    learner = tokenizers.BertWordPieceTokenizer(lowercase=True)
    learner.train_from_iterator(texts, vocab_size=LEARNED, special_tokens=list(marks), show_progress=False)
    known = sorted(learner.get_vocab(), key=learner.get_vocab().__getitem__)
    return {piece: number for number, piece in enumerate([*known, *(f"[unused{n}]" for n in range(size - len(known)))])}


def unigrams(texts: Sequence[str], size: int) -> list[tuple[str, float]]:
    """A vocabulary of SentencePiece's kind, learned from the texts and filled up with pieces that never win."""
    tokenizers = importlib.import_module("tokenizers")
    learner = tokenizers.Tokenizer(tokenizers.models.Unigram())
    learner.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    trainer = tokenizers.trainers.UnigramTrainer(vocab_size=LEARNED, unk_token="<unk>", show_progress=False)
    learner.train_from_iterator(texts, trainer)
    learned = json.loads(learner.to_str())["model"]["vocab"]
    known = [(piece, float(score)) for piece, score in learned if piece not in MARKS["xlm-roberta-base"]]
    marks = [(mark, 0.0) for mark in MARKS["xlm-roberta-base"]]
    found = [*marks, *known]
    return [*found, *((f"▁filler{n}", -99.0) for n in range(size - len(found)))]
