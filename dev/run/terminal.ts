import fs from "node:fs";
import path from "node:path";
import { LineWriter } from "@medvault/service-kit/line-writer";
import { clock } from "../lib/words.mjs";
import { privateDir } from "../servers/files.ts";

const dropped = (count: number) => `${count} lines were dropped: they could not be written\n`;

/**
 * Where lines for a person go: the terminal, the command that started us in the background, and
 * .data/log/medvault.log. A full disk or a closed terminal must not end what is supervised.
 */
export class Terminal {
  readonly #detached: boolean;
  readonly #log: LineWriter;
  readonly #screen = new LineWriter(1, dropped);
  #isUp = false;

  constructor(data: string, o: { detached: boolean }) {
    this.#detached = o.detached;
    const file = path.join(privateDir(path.join(data, "log")), "medvault.log");
    const stamped = (count: number) => `${new Date().toISOString()} ${dropped(count)}`;
    this.#log = new LineWriter(fs.openSync(file, "a", 0o600), stamped);
    process.stderr.on("error", () => {});
  }

  /** One line, with the time once start-up is over. */
  say = (line: string): void => {
    this.#log.write(`${new Date().toISOString()} ${line}\n`);
    this.show(this.#isUp ? `${clock()} ${line}` : line);
  };

  /** A line that no log may hold. */
  show(line: string): void {
    if (!this.#detached) this.#screen.write(`${line}\n`);
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
