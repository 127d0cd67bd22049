import fs from "node:fs";
import path from "node:path";
import { clock } from "../lib/words.mjs";
import { privateDir } from "../servers/files.ts";

/**
 * Where lines for a person go: the terminal, the command that started us in the background, and
 * .data/log/medvault.log.
 */
export class Terminal {
  readonly #detached: boolean;
  readonly #log: string;
  #isUp = false;

  constructor(data: string, o: { detached: boolean }) {
    this.#detached = o.detached;
    this.#log = path.join(privateDir(path.join(data, "log")), "medvault.log");
    // A closed terminal must not end us in the middle of stopping.
    for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  }

  /** One line, with the time once start-up is over. */
  say = (line: string): void => {
    fs.appendFileSync(this.#log, `${new Date().toISOString()} ${line}\n`, { mode: 0o600 });
    this.show(this.#isUp ? `${clock()} ${line}` : line);
  };

  /** A line that no log may hold. */
  show(line: string): void {
    if (!this.#detached) console.log(line);
    else if (process.connected) process.send?.({ line });
  }

  trouble(sentence: string): void {
    this.say(`medvault: ${sentence}`);
  }

  ready(): void {
    this.#isUp = true;
    if (this.#detached && process.connected) process.send?.({ ready: true });
  }
}
