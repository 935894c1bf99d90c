"""Tiny networks in folders, as the hub has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch


def save_transformer(folder: Path, texts: list[str], kind: str = "bert") -> Any:
    """A tiny network in a folder as the hub has them, with tokens that are parts of words."""
    import tokenizers
    import transformers

    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    special |= {"cls_token": "[CLS]", "sep_token": "[SEP]"}
    names = list(special.values())
    trainer = tokenizers.trainers.WordPieceTrainer(vocab_size=60, special_tokens=names)
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    size = {"vocab_size": tokenizer.get_vocab_size(), "intermediate_size": 32}
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        kind, **size, **sizes, pad_token_id=fast.pad_token_id
    )
    transformers.AutoModelForTokenClassification.from_config(config).save_pretrained(folder)
    return fast


def save_speech(folder: Path, kind: str = "wav2vec2", **changes: Any) -> Any:
    """A tiny network for CTC in a folder as the hub has them, with capitals in its vocabulary."""
    import transformers

    folder.mkdir(parents=True)
    vocabulary = {letter: n for n, letter in enumerate(["<pad>", "<unk>", "|", *"AEIKXOUFS"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    options = {"pad_token": "<pad>", "unk_token": "<unk>", "word_delimiter_token": "|"}
    transformers.Wav2Vec2CTCTokenizer(folder / "vocab.json", **options).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 16, "conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16}
    sizes |= {"num_conv_pos_embedding_groups": 2, "vocab_size": len(vocabulary)}
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **sizes, pad_token_id=0, **changes)
    network = transformers.AutoModelForCTC.from_config(config)
    network.save_pretrained(folder)
    return network.eval()


def save_writer(folder: Path) -> Any:
    """A tiny network that writes, and how it is spoken to, in a folder as the hub has them."""
    import tokenizers
    import transformers

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=300, special_tokens=["<end>"])
    tokenizer.train_from_iterator(["Anna feeds the camel at the break of day: why? a <b>"], trainer)
    template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    fast.chat_template = template
    fast.save_pretrained(folder)
    size = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    config = transformers.GPT2Config(vocab_size=320, **size, bos_token_id=0, eos_token_id=0)
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(config)
    network.save_pretrained(folder)
    return network.eval()
