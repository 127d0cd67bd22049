/** Ctrl-C ends what was started too: servers have sessions of their own, and would live on. */
export function endOnSignal(stop: () => Promise<unknown>): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      console.error("stopping what was started");
      void stop().finally(() => process.exit(130));
    });
  }
}
