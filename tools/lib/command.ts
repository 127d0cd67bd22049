// The frame of every tool: help, options, settings, lines or JSON, progress, exit codes.
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { ConfigError, EXIT, exitCodeOf, readSettings, sayRefusedStart } from "@medvault/service-kit";
import type { z } from "zod";

/** The command line does not say what to do; its message says what is missing. */
export class UsageError extends Error {}

/** What a tool found or did: lines for a person, or one document with --json. */
export interface Outcome {
  readonly lines: readonly string[];
  readonly result?: object;
  /** False: EXIT.failed. */
  readonly ok?: boolean;
}

export interface Output {
  /** A step that is done, while others follow. */
  say(line: string): void;
  /** A bar on a terminal, nothing elsewhere. */
  progress(title: string, done: number, total: number): void;
}

const OF_EVERY_TOOL = {
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;
type Options<O extends ParseArgsOptionsConfig> = O & typeof OF_EVERY_TOOL;
export type Values<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options<O>; allowPositionals: true }>
>["values"];

export interface Command<O extends ParseArgsOptionsConfig, S extends z.ZodObject> {
  /** As npm run has it. */
  name: string;
  /** What it does and how it is called; options, settings and exit codes are added. */
  help: string;
  options: O;
  /** Whether it takes arguments that are no options. */
  takesArguments?: boolean;
  /** What it reads of the environment. */
  settings: S;
  /** Ctrl-C aborts `signal`, and what is done stays done; without it, Ctrl-C ends the process. */
  isStoppable?: boolean;
  /** What it throws becomes a sentence, and an exit code (docs/configuration.md, "Exit codes"). */
  run(call: Call<O, S>): Promise<Outcome>;
}

interface Call<O extends ParseArgsOptionsConfig, S extends z.ZodObject> {
  readonly values: Values<O>;
  readonly args: readonly string[];
  readonly settings: z.infer<S>;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Runs a tool to its end, and sets its exit code. */
export async function command<const O extends ParseArgsOptionsConfig, S extends z.ZodObject>(
  tool: Command<O, S>,
): Promise<void> {
  let isUnwritten = false;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // The reader of our lines may stop before their end: `| head`.
    if (error.code === "EPIPE") process.exit();
    // A full disk, say: no reason to leave the work half done.
    if (!isUnwritten)
      process.stderr.write(`${tool.name}: its output could not be written (${error.code}).\n`);
    isUnwritten = true;
    process.exitCode = EXIT.failed;
  });
  process.stderr.on("error", () => {});
  try {
    const { values, args } = readArguments(tool);
    if (values.help || args[0] === "help") return void process.stdout.write(helpOf(tool));
    const output = new TerminalOutput(values.json === true);
    const { settings, unknown } = await readSettings(tool.settings, process.env);
    for (const [name, fault] of unknown) process.stderr.write(`${tool.name}: warning: ${name} ${fault}\n`);
    const signal = stopSignal(tool.isStoppable ?? false);
    const outcome = await tool.run({ values, args, settings, output, signal });
    output.finish(tool.name, outcome);
    process.exitCode = outcome.ok === false || isUnwritten ? EXIT.failed : EXIT.done;
  } catch (error) {
    if (error instanceof ConfigError) sayRefusedStart(tool.name, error, 2);
    else process.stderr.write(`${tool.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof UsageError ? EXIT.usage : exitCodeOf(error);
  }
}

function readArguments<O extends ParseArgsOptionsConfig, S extends z.ZodObject>(tool: Command<O, S>) {
  try {
    const { values, positionals } = parseArgs({
      options: { ...tool.options, ...OF_EVERY_TOOL },
      allowPositionals: tool.takesArguments ?? false,
    });
    return { values: values as Values<O> & { help: boolean; json: boolean }, args: positionals };
  } catch (error) {
    throw new UsageError(
      `${error instanceof Error ? error.message : "bad arguments"} (--help shows what there is)`,
    );
  }
}

function stopSignal(isStoppable: boolean): AbortSignal {
  const stop = new AbortController();
  const stopped = new Error("stopped; what is done is done. Run the same command again to go on.");
  for (const name of isStoppable ? (["SIGINT", "SIGTERM"] as const) : [])
    process.once(name, () => stop.abort(stopped));
  return stop.signal;
}

function helpOf({ help, settings }: Pick<Command<never, z.ZodObject>, "help" | "settings">): string {
  const shown = Object.entries(settings.shape).map(
    ([name, setting]) => `    ${name}\n        ${(setting as z.ZodType).description}\n`,
  );
  return `${help.trimEnd()}

  --json    one JSON document instead of lines
  --help    this
${shown.length > 0 ? `\n  From the environment:\n${shown.join("")}` : ""}
  Exit code: 0 done, 1 refused, failed or found something, 2 wrong usage, 75 something that it needs
  is away (try again), 78 bad settings.
`;
}

const BAR_CELLS = 24;

class TerminalOutput implements Output {
  readonly #json: boolean;
  #hasBar = false;

  constructor(json: boolean) {
    this.#json = json;
  }

  say(line: string): void {
    this.#clear();
    if (!this.#json) process.stdout.write(`${line}\n`);
  }

  progress(title: string, done: number, total: number): void {
    const { stderr } = process;
    if (!stderr.isTTY || this.#json) return;
    const filled = Math.round((Math.min(done, total) / Math.max(1, total)) * BAR_CELLS);
    const line = `${"█".repeat(filled)}${"░".repeat(BAR_CELLS - filled)} ${done}/${total} ${title}`;
    stderr.write(`\r\x1b[2K${line.slice(0, Math.max(BAR_CELLS, (stderr.columns ?? 80) - 1))}`);
    this.#hasBar = true;
  }

  finish(command: string, { lines, result, ok = true }: Outcome): void {
    this.#clear();
    const text = this.#json
      ? `${JSON.stringify({ command, ok, ...result })}\n`
      : lines.map((line) => `${line}\n`).join("");
    process.stdout.write(text);
  }

  #clear(): void {
    if (this.#hasBar) process.stderr.write("\r\x1b[2K");
    this.#hasBar = false;
  }
}
