// Repeats work while it can be seen. poll(fn, ms) runs fn({signal}) now and ms after each end; it slows down after failures,
// rests while the tab is hidden, and gives {now(): run at once (ends the run in progress), stop()}.

export function poll(fn, ms) {
  let timer = 0, run = null, stopped = false, failures = 0;
  const later = () => { if (!stopped) timer = setTimeout(tick, ms * Math.min(8, 2 ** failures)); };
  async function tick() {
    clearTimeout(timer);
    if (document.hidden && run) return later();
    run?.abort();
    const mine = run = new AbortController();
    try {
      await fn({ signal: mine.signal });
      failures = 0;
    } catch (e) {
      if (e.name === 'AbortError') return;
      failures++;
      console.warn(e.message);
    }
    if (mine === run) later();
  }
  const shown = () => { if (!document.hidden) tick(); };
  document.addEventListener('visibilitychange', shown);
  tick();
  return {
    now: tick,
    stop() { stopped = true; clearTimeout(timer); run?.abort(); document.removeEventListener('visibilitychange', shown); },
  };
}
