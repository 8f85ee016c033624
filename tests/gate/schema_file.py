"""The schema of reports as a file, for who reads them with other programs.

`python -m tests.gate.schema_file` writes it anew after a change of `proxy.gate.report_schema`.
"""

import json
from pathlib import Path

from proxy.gate.report_schema import REPORT_SCHEMA

PATH = Path(__file__).parents[2] / "docs" / "report.schema.json"


def schema_text() -> str:
    return json.dumps(REPORT_SCHEMA, indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema_text(), encoding="utf-8")
