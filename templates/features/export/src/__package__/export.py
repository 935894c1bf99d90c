"""Export a trained model: one file with its weights, its classes and what its inputs need."""

import json
import warnings
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from timeit import repeat
from typing import Any, Literal

import torch
import tyro
from torch import Tensor, nn
from torch.export import Dim

from .evaluate import load_model
from .exported import LEFT_OUT, OUTPUTS, complete, examples
from .run import find


@dataclass(frozen=True)
class Options:
    checkpoint: Path | None = None  # default: the best of the newest run
    output: Path | None = None  # default: model.onnx or model.pt2, beside the checkpoint
    format: Literal["onnx", "pt2"] = "onnx"  # if the name of the output does not end in it
    quantize: bool = False  # keep weights in 8 bits: for onnx


def write(model: nn.Module, batches: list[Tensor], path: Path, about: str, quantize: bool) -> Any:
    """Write the file, for inputs of any size in which the batches differ; give what runs it."""
    shapes = zip(*(batch.shape for batch in batches), strict=True)
    free = {i: Dim.DYNAMIC for i, sizes in enumerate(shapes) if len({*sizes}) > 1}
    # Of a batch of one, that size would be fixed
    program: Any = torch.export.export(model, (batches[-1],), dynamic_shapes=(free,))
    for module in program.graph_module.modules():
        for node in module.graph.nodes if hasattr(module, "graph") else ():
            node.meta.pop("stack_trace", None)  # it names folders of this machine
    if path.suffix == ".pt2":
        torch.export.save(program, path, extra_files={"about": about})
        return torch.export.load(path).module()
    from onnxruntime import InferenceSession, quantization

    names: Any = {"input_names": ["inputs"], "output_names": OUTPUTS}
    made: Any = torch.onnx.export(program, dynamo=True, verbose=False, **names)
    made.model.metadata_props["about"] = about
    made.save(path)
    if quantize:
        size = path.stat().st_size
        quantization.quantize_dynamic(path, path, op_types_to_quantize=["MatMul", "Gemm", "Gather"])
        if path.stat().st_size > 0.9 * size:
            path.unlink()
            raise SystemExit("--quantize gains nothing here: convolutions keep their weights")
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda inputs: map(torch.from_numpy, session.run(None, {"inputs": inputs.numpy()}))


def export(options: Options) -> None:
    """Write the file, and see that its numbers are the model's, those above 1 relative to them."""
    checkpoint = find(options.checkpoint, "best.*")
    path = options.output or checkpoint.with_name("model")
    path = path if path.suffix in (".onnx", ".pt2") else Path(f"{path}.{options.format}")
    scratch = path.with_stem(f"{path.stem}-unproven")
    if options.quantize and path.suffix == ".pt2":
        raise SystemExit("--quantize is for --format onnx")
    path.parent.mkdir(parents=True, exist_ok=True)
    model, task, spec = load_model(checkpoint)
    complete(model, task)
    about = json.dumps({"task": asdict(task), "spec": asdict(spec) | LEFT_OUT})
    torch.manual_seed(0)
    batches = examples(spec)
    try:
        with warnings.catch_warnings(action="ignore"):  # what the exporters say of themselves
            run = write(model, batches, scratch, about, options.quantize)
    except ImportError as error:
        raise SystemExit(f"{error}: uv sync --extra export") from None
    print(f"{'inputs':<20}{'difference':>10}{'eager ms':>12}{'exported ms':>12}")
    for batch in batches:
        with torch.inference_mode():
            pairs = list(zip(model(batch), run(batch), strict=True))
            ms = [1000 * min(repeat(partial(f, batch), number=1, repeat=20)) for f in (model, run)]
        worst = max(float(((a - b).abs() / a.abs().clamp(min=1)).max()) for a, b in pairs)
        print(f"{' x '.join(map(str, batch.shape)):<20}{worst:10.1e}{ms[0]:12.2f}{ms[1]:12.2f}")
        if not worst <= (0.1 if options.quantize else 1e-4):
            scratch.unlink()
            raise SystemExit("the exported model does not do what the model does")
    scratch.replace(path)
    print(f"exported: {path}, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    export(tyro.cli(Options, description=__doc__))
