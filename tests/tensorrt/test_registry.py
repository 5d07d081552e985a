"""The real plugin registries of TensorRT 10 and 11 (lean runtimes), without a GPU.

No test makes a Runtime: without a driver that ends the process.
"""

import shutil

import pytest

LEAN = ("lean-10.15", "lean-10.16", "lean-11.0", "lean-11.4")
pytestmark = pytest.mark.tensorrt

# argv: the library, then what to do. Prints the creators of HPS_TRT after each step.
STEPS = """
import ctypes, sys
import tensorrt_lean_bindings as trt
registry = trt.get_plugin_registry()
library, steps, copy = sys.argv[1:4]
handles = []
for step in steps:
    if step == "l":
        handles.append(registry.load_library(library))
    elif step == "d":
        registry.deregister_library(handles.pop())
    elif step == "c":
        ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
    elif step == "b":
        ctypes.CDLL(copy, ctypes.RTLD_GLOBAL)
    creators = [c for c in registry.all_creators if c.name == "HPS_TRT"]
    names = [f"{c.name}/{c.plugin_version}/{c.plugin_namespace}" for c in creators]
    print(step, *sorted(names), flush=True)
"""
BOTH = "HPS_TRT/1/ HPS_TRT/2/"


def lines(steps: str) -> str:
    return "".join(f"{step}{'' if step == 'd' else ' ' + BOTH}\n" for step in steps)


@pytest.mark.parametrize("release", LEAN)
@pytest.mark.parametrize("steps", ["l", "ld", "c", "cc", "lc", "cl", "cld"])
def test_both_creators_are_registered_once(child, library, release, steps):
    done = child(STEPS, release, library, steps, "")
    assert (done.stdout, done.returncode) == (lines(steps), 0), done.stderr
    assert "HPS_TRT" not in done.stderr


@pytest.mark.parametrize("release", LEAN)
def test_preloading_registers_when_the_registry_is_asked_for(child, library, release):
    done = child(STEPS, release, library, "x", "", preload=library)
    assert (done.stdout, done.returncode) == (lines("x"), 0), done.stderr


@pytest.mark.parametrize("release", LEAN)
def test_a_preloaded_library_may_be_loaded_again(child, library, release):
    done = child(STEPS, release, library, "xlc", "", preload=library)
    assert (done.stdout, done.returncode) == (lines("xlc"), 0), done.stderr


@pytest.mark.parametrize("release", LEAN)
@pytest.mark.parametrize("steps", ["cb", "bc", "lb"])
def test_a_second_copy_registers_nothing_and_says_so(child, library, release, steps, tmp_path):
    copy = shutil.copy(library, tmp_path / "libhps_plugin.so")
    done = child(STEPS, release, library, steps, copy)
    assert (done.stdout, done.returncode) == (lines(steps), 0), done.stderr
    first = copy if steps[0] == "b" else library
    assert f"HPS_TRT: {first} serves this process already" in done.stderr


CREATE = """
import sys
import numpy as np
import tensorrt_lean_bindings as trt
registry = trt.get_plugin_registry()
registry.load_library(sys.argv[1])
T = trt.PluginFieldType

def text(name, value, how="zero"):
    if how == "hps":  # as HPS's users built it: declared length 1
        return trt.PluginField(name, np.array([value + "\\0"], dtype=np.bytes_), T.CHAR)
    if how == "bare":
        return trt.PluginField(name, np.frombuffer(value.encode(), dtype=np.int8), T.CHAR)
    return trt.PluginField(name, value.encode() + b"\\0", T.CHAR)

def ints(name, *values):
    return trt.PluginField(name, np.array(values, dtype=np.int32), T.INT32)

def show(version, fields, phase=trt.TensorRTPhase.BUILD):
    creator = registry.get_creator("HPS_TRT", version, "")
    plugin = creator.create_plugin("n", trt.PluginFieldCollection(fields), phase)
    if plugin is None:
        print("none", flush=True)
        return
    core = plugin.get_capability_interface(trt.PluginCapabilityType.CORE)
    build = plugin.get_capability_interface(trt.PluginCapabilityType.BUILD)
    assert plugin.get_capability_interface(trt.PluginCapabilityType.RUNTIME) is not None
    copy = plugin.clone()
    print(core.plugin_name, core.plugin_version, build.num_outputs, flush=True)

for how in ("zero", "hps", "bare"):
    fields = [text("ps_config_file", f"absent-{how}.json", how), text("model_name", "shop", how),
              ints("table_id", 0), ints("emb_vec_size", 16)]
    show("1", fields)
    show("1", fields, trt.TensorRTPhase.RUNTIME)
one = dict(input_types=7, output_types=1, dims=4, ids_inputs=0, ids_columns=-1, layouts=0,
           layout_inputs=-1, size_inputs=-1, sizes=-1, weights_inputs=-1, combiners=0, divisors=0,
           has_ignored_ids=0, ignored_ids=0, index_modes=0, outputs=0, output_columns=0)
texts = [text("config_file", "hps.json"), text("bundle_id", "-"), text("model_name", "m"),
         text("tables", "t")]
show("2", texts + [ints(name, value) for name, value in one.items()])
show("2", texts)
"""


@pytest.mark.parametrize("release", LEAN)
def test_plugins_are_created_from_every_form_of_field(child, library, release):
    done = child(CREATE, release, library)
    assert done.returncode == 0, done.stderr
    # Building loads nothing; at run time the missing configuration is named as it was given.
    assert done.stdout.splitlines() == ["HPS_TRT 1 1", "none"] * 3 + ["HPS_TRT 2 1", "none"]
    for form in ("zero", "hps", "bare"):
        assert f"absent-{form}.json" in done.stderr
    assert "'input_types' is missing" in done.stderr
