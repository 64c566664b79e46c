"""chromium.py - Debian's Chromium, driven over the pipe of its DevTools protocol with nothing but Python: pages are opened, pointed at,
clicked, typed into, asked and photographed."""
import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

FLAGS = ["--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--hide-scrollbars", "--force-color-profile=srgb",
         "--mute-audio", "--disable-dev-shm-usage"]
KEYS = {"Enter": ("\r", 13), " ": (" ", 32), "Tab": ("", 9), "Escape": ("", 27)}


def find():
    return next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)


class Failed(Exception):
    pass


class Browser:
    """One browser with one page; a context manager. self.said: what the page wrote to its console, and errors nobody caught."""

    def __init__(self, width=1200, height=900):
        self.folder = tempfile.mkdtemp(prefix="needlescope-browser-")
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        flags = FLAGS + [f"--user-data-dir={self.folder}", f"--window-size={width},{height}"]
        flags += ["--no-sandbox"] if os.getuid() == 0 else []

        def pipes():                         # 3 and 4 are what the protocol takes
            os.dup2(to_read, 13)
            os.dup2(from_write, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)
            for fd in (3, 4):
                os.set_inheritable(fd, True)

        self.process = subprocess.Popen([find(), *flags, "about:blank"], preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(to_read)
        os.close(from_write)
        self.out, self.inp = os.fdopen(to_write, "wb", buffering=0), from_read
        self.rest, self.number, self.session, self.said, self.requested = b"", 0, None, [], []
        target = next(t for t in self.wait_for_targets() if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")
        self.size(width, height)

    def wait_for_targets(self):
        for _ in range(100):
            targets = self.call("Target.getTargets")["targetInfos"]
            if any(t["type"] == "page" for t in targets):
                return targets
            time.sleep(.05)
        raise Failed("no page")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.out.close()
        os.close(self.inp)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the protocol ----
    def read(self, timeout=60):
        import select
        while b"\0" not in self.rest:
            if not select.select([self.inp], [], [], timeout)[0]:
                raise Failed("the browser says nothing")
            data = os.read(self.inp, 1 << 20)
            if not data:
                raise Failed("the browser is gone")
            self.rest += data
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def heard(self, message):
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.said.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.said.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded":
            self.said.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.heard(answer)

    # ---- a page ----
    def open(self, path, fragment=""):
        """Anew, whatever was open."""
        self.call("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank' && document.readyState === 'complete'")
        self.said.clear()
        self.requested.clear()
        self.call("Page.navigate", url="file://" + os.path.abspath(path) + (("#" + fragment) if fragment else ""))
        self.until("location.protocol === 'file:' && document.readyState === 'complete'")

    @contextlib.contextmanager
    def inside(self):
        """In the frame of the page, a document that is closed to the page."""
        page = self.session
        frame = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "iframe")
        self.session = self.call("Target.attachToTarget", targetId=frame["targetId"], flatten=True)["sessionId"]
        try:
            for domain in ("Runtime", "Network", "Log"):
                self.call(domain + ".enable")
            yield
        finally:
            self.session = page

    def js(self, expression):
        """The value of an expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failed(f"{expression}: {details.get('exception', {}).get('description', details['text'])}")
        return answer["result"].get("value")

    def soon(self, expression, seconds):
        """The first value that is true; None: none was."""
        end = time.time() + seconds
        while time.time() < end:
            value = self.js(expression)
            if value:
                return value
            time.sleep(.02)
        return None

    def until(self, expression, seconds=60):
        value = self.soon(expression, seconds)
        if value:
            return value
        raise Failed(f"never true: {expression}; the page said {self.said}")

    def frames(self, n=2):
        """Waits until what was asked for is painted."""
        self.js(f"new Promise(done => {{ let n = {n}; const f = () => n-- ? requestAnimationFrame(f) : done(); f(); }})")

    def size(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def downloads(self, folder):
        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=os.path.abspath(folder))

    # ---- the hand ----
    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def move(self, x, y):
        self.mouse("mouseMoved", x, y)

    def click(self, x, y):
        self.move(x, y)
        self.mouse("mousePressed", x, y, button="left", clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)

    def place(self, selector):
        """The middle of an element, scrolled into view."""
        self.js(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        self.frames()
        box = self.js(f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                      " return [b.left, b.top, b.width, b.height]; })()")
        return box[0] + box[2] / 2, box[1] + box[3] / 2

    def press(self, key, **more):
        text, code = KEYS.get(key, (key if len(key) == 1 else "", 0))
        params = {"key": key, "windowsVirtualKeyCode": code, **more}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **({"text": text} if text else {}), **params)
        self.call("Input.dispatchKeyEvent", type="keyUp", **params)

    def photo(self, path, whole=False):
        clip = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}, "captureBeyondViewport": True}
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot", format="png", **clip)["data"]))
