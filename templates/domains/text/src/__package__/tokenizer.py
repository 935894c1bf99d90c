"""A subword tokenizer, learned from the training texts and kept as JSON in checkpoints."""

import os
from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from .flags import UserError

PAD_ID = 0
# The texts are encoded before any worker starts: without a choice made here, each start warns
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def train_tokenizer(texts: Sequence[str], vocab_size: int, max_length: int) -> Tokenizer:
    """Learn byte-level BPE (Radford et al., 2019): no text holds a token that it does not know.

    Its encodings end after `max_length` tokens.
    """
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocab_size <= len(alphabet):
        raise UserError(f"--vocab-size must be {len(alphabet) + 1} or more, not {vocab_size}.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=["[PAD]"],  # the first, so that its id is PAD_ID
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    tokenizer.enable_truncation(max_length)
    return load_tokenizer(tokenizer.to_str())


def load_tokenizer(content: str) -> Tokenizer:
    """Rebuild a tokenizer from the JSON of its `to_str`."""
    tokenizer = Tokenizer.from_str(content)
    tokenizer.encode_special_tokens = True  # a text that says "[PAD]" is no padding
    return tokenizer
