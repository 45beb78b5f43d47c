"""Specs and architectures: what is legal, plain JSON and back, one digest for one architecture."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from frontier.search_space import CHANNEL_MIXERS, TOKEN_MIXERS, Architecture, Attention, Block, CausalConv, SwiGLU


def attention_block(**changes: object) -> dict[str, object]:
    mixer = {"kind": "attention", "num_heads": 4, "num_kv_heads": 2, "head_dim": 8, **changes}
    return {"token_mixer": mixer, "channel_mixer": {"kind": "swiglu", "inner": 32}}


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"num_kv_heads": 3}, "must divide num_heads; got 3 and 4"),
        ({"head_dim": 7}, "multiple of 2"),
        ({"window": 0}, "greater than 0"),
        ({"num_heads": "4"}, "valid integer"),
        ({"dropout": 0.1}, "Extra inputs are not permitted"),
        ({"kind": "rnn"}, "does not match any of the expected tags"),
    ],
    ids=["kv-heads-divide", "even-head-dim", "positive-window", "no-strings", "no-unknown-keys", "known-kind"],
)
def test_illegal_specs_name_field_rule_and_value(fields: dict[str, object], rule: str) -> None:
    with pytest.raises(ValueError, match=rule) as raised:
        Architecture.from_json({"width": 16, "blocks": [attention_block(**fields)]})
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("blocks.0.token_mixer")


def test_specs_are_frozen() -> None:
    with pytest.raises(ValidationError):
        SwiGLU(inner=8).inner = 16  # type: ignore[misc]


def test_an_architecture_is_plain_json_and_back() -> None:
    blocks = (
        Block(token_mixer=CausalConv(channels=8, kernel_size=3), channel_mixer=SwiGLU(inner=4)),
        Block(token_mixer=Attention(num_heads=2, num_kv_heads=1, head_dim=4, window=5), channel_mixer=SwiGLU(inner=4)),
    )
    architecture = Architecture(width=16, blocks=blocks)
    assert Architecture.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture
    assert Architecture.from_json(architecture.canonical) == architecture


def test_two_spellings_of_one_architecture_have_one_digest() -> None:
    spelled_out = Architecture.from_json({"blocks": [attention_block(window=None)], "width": 16})
    short = Architecture.from_json({"width": 16, "blocks": [attention_block()]})
    assert spelled_out.digest == short.digest
    assert hash(spelled_out) == hash(short)


def test_different_architectures_have_different_digests() -> None:
    digests = {
        Architecture.from_json({"width": width, "blocks": [attention_block(window=window)]}).digest
        for width in (16, 32)
        for window in (None, 4, 5)
    }
    assert len(digests) == 6


def test_the_digest_stays_what_it_was() -> None:
    architecture = Architecture.from_json({"width": 16, "blocks": [attention_block(window=4)]})
    assert architecture.canonical == (
        '{"blocks":[{"channel_mixer":{"inner":32,"kind":"swiglu"},"token_mixer":'
        '{"head_dim":8,"kind":"attention","num_heads":4,"num_kv_heads":2,"window":4}}],"width":16}'
    )
    assert architecture.digest == "e90884827c58fc5f"


@pytest.mark.parametrize("table", [TOKEN_MIXERS, CHANNEL_MIXERS], ids=["token", "channel"])
def test_the_table_names_every_kind_as_its_spec_does(table: dict) -> None:
    for kind, spec in table.items():
        assert spec.model_fields["kind"].default == kind
        assert spec.__doc__
        assert "arXiv" in spec.__doc__
