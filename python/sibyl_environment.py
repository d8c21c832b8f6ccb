"""Makes a Python environment for a model: a virtual environment with what its requirements ask for.

Run by sibyl with an interpreter of the version the model names. Arguments: --into DIR --requirements FILE
--constraints FILE [--parent PID]. Everything printed is shown as progress; the exit status says whether DIR is
complete. Packages come from where this machine's pip gets them; uv, which does not read pip's configuration, does
the work where pip has none.
"""

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys


def protect(parent):
    """Ends with sibyl, and so do the programs it runs; leaves the processor to predictions."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if parent and os.getppid() != parent:
        sys.exit("sibyl went away")
    os.nice(19)


def run(*command):
    me = os.getpid()

    def begin():
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != me:
            os._exit(1)

    status = subprocess.run(command, stdin=subprocess.DEVNULL, preexec_fn=begin).returncode
    if status:
        sys.exit(status if status > 0 else 128 - status)


def pip_is_configured():
    if any(name.startswith("PIP_") for name in os.environ):
        return True
    r = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True,
                       stdin=subprocess.DEVNULL)
    return r.returncode == 0 and r.stdout.strip() != ""


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--into", required=True)
    p.add_argument("--requirements", required=True)
    p.add_argument("--constraints", required=True)
    p.add_argument("--parent", type=int, default=0)
    args = p.parse_args()
    protect(args.parent)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"):
        os.environ.pop(name, None)
    python = os.path.join(args.into, "bin", "python")
    what = ["-r", args.requirements, "-c", args.constraints]
    uv = shutil.which("uv")
    print("making a virtual environment of Python %d.%d.%d" % sys.version_info[:3], flush=True)
    if uv and not pip_is_configured():
        run(uv, "venv", "--quiet", "--python", sys.executable, args.into)
        run(uv, "pip", "install", "--compile-bytecode", "--python", python, *what)
    else:
        run(sys.executable, "-m", "venv", args.into)
        run(python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", *what)


if __name__ == "__main__":
    main()
