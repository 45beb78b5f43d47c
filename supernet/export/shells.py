"""What stands around a standalone model in its file: how to load it, and what it does from a shell."""

from __future__ import annotations

TEXT_USE = """\
    from model import load
    model = load()                      # the folder this file is in
    logits = model(ids)                 # ids: (batch, tokens) int64; logits: (batch, tokens, vocabulary)

or from a shell: python model.py --prompt "import os\""""

IMAGE_USE = """\
    from model import load
    model = load()                      # the folder this file is in
    logits = model(images)              # images: (batch, channels, side, side) from 0 to 1; logits: (batch, classes)

or from a shell, with pillow: python model.py --image picture.png"""

LOAD = '''\
def load(folder: str | Path = Path(__file__).parent) -> CLASS:
    """The model with its weights, ready for inference."""
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text(), object_hook=lambda entry: SimpleNamespace(**entry))
    model = CLASS.build(config.architecture, config)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()
'''

BYTES_SHELL = """\
def main() -> None:
    parser = argparse.ArgumentParser(description="Continue a text.")
    parser.add_argument("--prompt", default="import ", help="the text to continue")
    parser.add_argument("--new-tokens", type=int, default=64, help="how many bytes to add")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest byte each time")
    arguments = parser.parse_args()
    model = load()
    prompt = list(arguments.prompt.encode())[-(model.context - 1) :] or [10]
    new_tokens = min(arguments.new_tokens, model.context - len(prompt))
    ids = model.generate(torch.tensor([prompt]), new_tokens, arguments.temperature)
    print(bytes(ids[0].tolist()).decode(errors="replace"))


if __name__ == "__main__":
    main()
"""

TOKENS_SHELL = """\
def main() -> None:
    from tokenizers import Tokenizer

    parser = argparse.ArgumentParser(description="Continue a text.")
    parser.add_argument("--prompt", default="import ", help="the text to continue")
    parser.add_argument("--new-tokens", type=int, default=64, help="how many tokens to add")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest token each time")
    arguments = parser.parse_args()
    model = load()
    tokenizer = Tokenizer.from_file(str(Path(__file__).parent / "tokenizer.json"))
    prompt = tokenizer.encode(arguments.prompt, add_special_tokens=False).ids[-(model.context - 1) :] or [0]
    new_tokens = min(arguments.new_tokens, model.context - len(prompt))
    ids = model.generate(torch.tensor([prompt]), new_tokens, arguments.temperature)
    print(tokenizer.decode(ids[0].tolist()))


if __name__ == "__main__":
    main()
"""

IMAGES_SHELL = """\
def main() -> None:
    from PIL import Image

    parser = argparse.ArgumentParser(description="Classify an image.")
    parser.add_argument("--image", required=True, help="the image file; it is stretched to the model's size")
    parser.add_argument("--top", type=int, default=3, help="how many classes to print, the likeliest first")
    arguments = parser.parse_args()
    config = json.loads((Path(__file__).parent / "config.json").read_text())
    side, channels, classes = config["side"], config["channels"], config["classes"]
    if channels not in (1, 3):
        parser.error(f"the model takes images of {channels} channels, which no image file has")
    with Image.open(arguments.image) as image:
        plain = image.convert("L" if channels == 1 else "RGB").resize((side, side), Image.Resampling.BILINEAR)
    pixels = torch.frombuffer(bytearray(plain.tobytes()), dtype=torch.uint8).view(1, side, side, channels)
    with torch.inference_mode():
        probabilities = load()(pixels.permute(0, 3, 1, 2) / 255)[0].softmax(dim=-1)
    likeliest = probabilities.topk(min(arguments.top, len(classes)))
    for probability, index in zip(likeliest.values.tolist(), likeliest.indices.tolist()):
        print(f"{classes[index]}\\t{probability:.4f}")


if __name__ == "__main__":
    main()
"""
