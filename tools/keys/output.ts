/** What a command found or did: lines for a person, or one document with --json. */
export interface Outcome {
  readonly lines: readonly string[];
  readonly result: object;
  /** False: exit code 1. */
  readonly ok?: boolean;
}

export interface Output {
  /** A step that is done, while others follow. */
  say(line: string): void;
  /** A bar on a terminal, nothing elsewhere. */
  progress(title: string, done: number, total: number): void;
  finish(command: string, outcome: Outcome): void;
}

const BAR_CELLS = 24;

export function createOutput(json: boolean): Output {
  const { stdout, stderr } = process;
  const clear = () => {
    if (stderr.isTTY) stderr.write("\r\x1b[2K");
  };
  return {
    say(line) {
      clear();
      if (!json) stdout.write(`${line}\n`);
    },
    progress(title, done, total) {
      if (!stderr.isTTY || json) return;
      const filled = Math.round((Math.min(done, total) / Math.max(1, total)) * BAR_CELLS);
      stderr.write(
        `\r\x1b[2K${"█".repeat(filled)}${"░".repeat(BAR_CELLS - filled)} ${done}/${total} ${title}`,
      );
    },
    finish(command, { lines, result, ok = true }) {
      clear();
      if (json) stdout.write(`${JSON.stringify({ command, ok, ...result })}\n`);
      else for (const line of lines) stdout.write(`${line}\n`);
    },
  };
}
