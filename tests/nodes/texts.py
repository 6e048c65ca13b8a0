"""What users read on the nodes, in the layout of `locales/<language>/nodeDefs.json`.

`python tests/nodes/texts.py` writes the English file anew from the nodes' forms.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

LOCALES = Path(__file__).parents[2] / "locales"


def texts(form: dict[str, Any]) -> dict[str, Any]:
    """The English texts of one node's form."""
    inputs: dict[str, dict[str, str]] = {}
    for group in ("required", "optional"):
        for name, (_, said) in form["input"].get(group, {}).items():
            inputs[name] = {"name": said.get("display_name") or name, "tooltip": said["tooltip"]}
            if said.get("control_after_generate"):
                inputs["control_after_generate"] = {"name": "control after generate"}
    outputs = zip(form["output_name"], form["output_tooltips"], strict=True)
    return {
        "display_name": form["display_name"],
        "description": form["description"],
        "inputs": inputs,
        "outputs": {str(n): {"name": name, "tooltip": tooltip} for n, (name, tooltip) in enumerate(outputs)},
    }


def read(language: str) -> dict[str, Any]:
    return json.loads((LOCALES / language / "nodeDefs.json").read_text(encoding="utf-8"))


def written(nodes: dict[str, Any]) -> str:
    return json.dumps(nodes, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import standin
    from conftest import load_pack

    standin.install()
    nodes = load_pack("vace_pack").by_id
    english = {node_id: texts(node.GET_NODE_INFO_V1()) for node_id, node in nodes.items()}
    (LOCALES / "en").mkdir(parents=True, exist_ok=True)
    (LOCALES / "en" / "nodeDefs.json").write_text(written(english), encoding="utf-8")


if __name__ == "__main__":
    main()
