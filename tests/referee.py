"""referee.py SCRIPT [ARGUMENT...] - runs a referee. It fails where it compared nothing (compare.py), and where assertions are off."""
import os
import runpy
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare

if sys.flags.optimize:
    sys.exit("referee.py: assertions are off (PYTHONOPTIMIZE)")
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    if end.code:
        raise
if compare.compared() == 0:
    sys.exit(f"{sys.argv[0]}: nothing was compared")
print(f"{compare.compared()} cells compared")
