#!/usr/bin/env python3
"""Are the protocol files of the gateway true to the published protocol?

Every message, field, number, type, label, oneof and enum value in
src/gateway/proto must be in the descriptors that come with the package
temporalio; what Temporal has from others, also in those of
googleapis-common-protos and grpcio-health-checking, where they are installed.
Enums must be complete; messages need not be.

    protoc-c -Isrc -I/usr/include -oFILE --include_imports src/gateway/proto/*.proto
    compare_protos.py FILE
"""

import importlib
import pkgutil
import sys

from google.protobuf import descriptor_pb2, descriptor_pool

OTHERS = {"google.rpc.status_pb2": "google.rpc", "grpc_health.v1.health_pb2": "grpc.health.v1"}
UNKNOWN = set()

def load(module):
    """false: it, or what it needs, is not installed."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def load_published():
    """Import all modules with descriptors: that puts them into the pool."""
    import temporalio.api

    for module in pkgutil.walk_packages(temporalio.api.__path__, "temporalio.api."):
        if module.name.endswith("_pb2"):
            load(module.name)
    for module, package in OTHERS.items():
        if not load(module):
            print(f"{package} is not compared")
            UNKNOWN.add(package)


class Comparison:
    def __init__(self):
        self.pool = descriptor_pool.Default()
        self.compared = 0
        self.faults = []

    def check(self, what, ours, theirs):
        self.compared += 1
        if ours != theirs:
            self.faults.append(f"{what}: {ours!r}, published: {theirs!r}")

    def enum(self, name, ours):
        try:
            theirs = self.pool.FindEnumTypeByName(name)
        except KeyError:
            self.faults.append(f"enum {name} is not published")
            return
        self.check(f"enum {name}",
                   {value.name: value.number for value in ours.value},
                   {value.name: value.number for value in theirs.values})

    def message(self, name, ours):
        try:
            theirs = self.pool.FindMessageTypeByName(name)
        except KeyError:
            self.faults.append(f"message {name} is not published")
            return
        published = descriptor_pb2.DescriptorProto()
        theirs.CopyToProto(published)
        fields = {field.name: field for field in published.field}
        for field in ours.field:
            where = f"{name}.{field.name}"
            if field.name not in fields:
                self.faults.append(f"field {where} is not published")
                continue
            other = fields[field.name]
            for part in ("number", "label", "type", "type_name"):
                self.check(f"{where}, {part}", getattr(field, part), getattr(other, part))
            self.check(f"{where}, oneof", self.oneof(ours, field), self.oneof(published, other))
            self.check(f"{where}, packed",
                       field.options.HasField("packed"), other.options.HasField("packed"))
        self.check(f"{name}, is the entry of a map",
                   ours.options.map_entry, published.options.map_entry)
        for nested in ours.nested_type:
            self.message(f"{name}.{nested.name}", nested)
        for nested in ours.enum_type:
            self.enum(f"{name}.{nested.name}", nested)

    @staticmethod
    def oneof(message, field):
        return message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None


def main():
    load_published()
    files = descriptor_pb2.FileDescriptorSet()
    with open(sys.argv[1], "rb") as file:
        files.ParseFromString(file.read())
    comparison = Comparison()
    for file in files.file:
        if not file.name.startswith("gateway/proto/") or file.package in UNKNOWN:
            continue
        comparison.check(f"syntax of {file.name}", file.syntax, "proto3")
        for message in file.message_type:
            comparison.message(f"{file.package}.{message.name}", message)
        for enum in file.enum_type:
            comparison.enum(f"{file.package}.{enum.name}", enum)
    for fault in comparison.faults:
        print(fault)
    print(f"{comparison.compared} compared, {len(comparison.faults)} differ")
    return 1 if comparison.faults or comparison.compared < 100 else 0


sys.exit(main())
