import html
import pathlib
import shutil
import subprocess
import tempfile

from IPython.display import HTML

frame = ('<div><iframe title="needlescope view" sandbox="allow-scripts allow-downloads" '
         'style="width: 100%; height: 900px; border: 0" srcdoc="')
page, program = None, shutil.which("needlescope")
if program:
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "page.html")
        files = [os.environ.get("NEEDLESCOPE_H5", path), *beside]
        subprocess.run([program, "view", *files, "-o", file], check=True, stdout=subprocess.DEVNULL)
        page = HTML(frame + html.escape(file.read_text(encoding="utf-8")) + '"></iframe></div>')
else:
    print("no page: there is no needlescope on the PATH (pip install needlescope)")
page
