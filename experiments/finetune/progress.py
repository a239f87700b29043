"""A log that goes to a file and to standard error, and a progress bar for terminals."""

import sys
import time


class Log:
    """Lines with the time of day, appended to a file and printed. On a terminal, bars are drawn below the last line;
    into a file nothing but whole lines ever goes."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")  # pylint: disable=consider-using-with
        self.tty = sys.stderr.isatty()
        self.prefix = ""  # of lines and bars, such as where in the whole run this is

    def line(self, text):
        text = self.prefix + text
        self.file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
        self.file.flush()
        self._clear()
        print(text, file=sys.stderr, flush=True)

    def bar(self, title, done, total, note="", started=None):
        """Draws the bar anew; the last call of a bar has done == total and removes it."""
        if not self.tty:
            return
        if done >= total:
            self._clear()
            return
        filled = 24 * done // total
        left = ""
        if started is not None and done:
            seconds = (time.monotonic() - started) / done * (total - done)
            left = f", {seconds / 60:.0f} min left" if seconds >= 120 else f", {seconds:.0f} s left"
        text = f"{self.prefix}{title}  [{'=' * filled}{' ' * (24 - filled)}] {done}/{total}{left}  {note}"
        sys.stderr.write(f"\r\x1b[K{text[:110]}")
        sys.stderr.flush()

    def _clear(self):
        if self.tty:
            sys.stderr.write("\r\x1b[K")
