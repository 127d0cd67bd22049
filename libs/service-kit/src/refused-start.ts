import type { ConfigError } from "./config.ts";
import { createLogger } from "./logger.ts";

/**
 * Says what is wrong with the settings of a process, and what to do: to a person on a terminal in
 * sentences, else as one line of the log, level fatal, whose `faults` names each.
 */
export function sayRefusedStart(service: string, error: ConfigError, to: 1 | 2): void {
  const faults = [...error.faults, ...error.unknown].map(([setting, fault]) => ({ setting, fault }));
  const count = faults.length === 1 ? "1 setting is" : `${faults.length} settings are`;
  const message = `${count} not right; nothing was started`;
  if ((to === 1 ? process.stdout : process.stderr).isTTY) {
    const lines = faults.map(({ setting, fault }) => `  ${setting} ${fault}\n`);
    process.stderr.write(`${service}: ${message}.\n${lines.join("")}`);
  } else {
    createLogger({ service, level: "fatal", destination: to }).fatal({ faults }, message);
  }
}
