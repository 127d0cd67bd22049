// The restore job: the owner role's DSN is in no running service, so the supervisor runs it when
// backup asks.
import path from "node:path";
import { runJob } from "./job.ts";
import { environment, type ServiceOptions } from "./services.ts";

/** One restore at a time; a request that comes meanwhile is served by one more run after it. */
export class RestoreRunner {
  readonly #say: (line: string) => void;
  readonly #options: () => ServiceOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;
  #again = false;

  constructor(options: () => ServiceOptions, say: (line: string) => void) {
    this.#options = options;
    this.#say = say;
  }

  /**
   * Takes what the backup service sends over its channel; anything but {job: "restore"} is not for
   * us.
   */
  onMessage(message: unknown): void {
    if ((message as { job?: unknown } | null)?.job !== "restore") return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Ends a running job; a restore that was not finished left the old schemas in place. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const o = this.#options();
    const job = {
      title: "the restore",
      entry: "services/backup/src/restore.job.ts",
      env: environment("restore", o),
      log: path.join(o.dirs.logs, "restore.log"),
      signal: this.#stop.signal,
    };
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      this.#say("a restore was asked for: running it");
      await runJob(job).then(
        () => this.#say("the restore is done"),
        (error: Error) => this.#say(error.message),
      );
    }
  }
}
