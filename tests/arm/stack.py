#!/usr/bin/env python3
"""The deepest stack below a function, from what gcc -fcallgraph-info=su wrote:
stack.py FUNCTION FILE.ci... prints octets and the way there. Calls through
pointers end there, but for the stages of bv_device_step."""
import functools
import re
import sys

NODE = re.compile(r'node: { title: "([^"]*)" label: "[^"]*?\\n[^"]*?\\n(\d+) bytes \((\w+)')
EDGE = re.compile(r'edge: { sourcename: "([^"]*)" targetname: "([^"]*)"')
STAGE = re.compile(r"(.*:stage_|dev_stage_)\w+$")

own, calls = {}, {}
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if node := NODE.match(line):
                assert node[3] == "static", f"{node[1]}: its stack has no bound"
                own[node[1]] = int(node[2])
            elif edge := EDGE.match(line):
                calls.setdefault(edge[1], set()).add(edge[2])
calls["bv_device_step"] |= {name for name in own if STAGE.match(name)}


@functools.lru_cache(None)
def deepest(name):
    """(octets, way); a recursion ends as a RecursionError"""
    below = max((deepest(to) for to in calls.get(name, ())), default=(0, ()))
    return own.get(name, 0) + below[0], (name.split(":")[-1],) + below[1]


octets, way = deepest(sys.argv[1])
print(octets, " > ".join(way))
