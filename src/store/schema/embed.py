#!/usr/bin/env python3
"""Write the schema scripts, in order, as an array of C strings."""
import pathlib
import sys

print('#include "store/sqlite_schema.h"\n')
print("const char *const sqlite_schema_steps[] = {")
for name in sys.argv[1:]:
    print("    (")  # clang takes a short run of literals for a comma that is missing
    for line in pathlib.Path(name).read_text().splitlines():
        text = line.split("--")[0].rstrip()
        if text:
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            print(f'    "{quoted}\\n"')
    print("    ),")
print("};")
print(f"const unsigned sqlite_schema_version = {len(sys.argv) - 1};")
