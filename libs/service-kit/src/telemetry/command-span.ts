import { tracingChannel } from "node:diagnostics_channel";
import type { Span } from "@opentelemetry/api";
import { childSpan, endSpan, isTraced } from "./child-span.ts";

interface Command {
  readonly command?: string;
  readonly serverAddress?: string;
  readonly serverPort?: number;
  error?: unknown;
}

/** Spans of commands to Redis, by the channel of its driver: names alone, since keys hold ids. */
export function traceCommands(): () => void {
  const channel = tracingChannel<unknown, Command>("ioredis:command");
  const spans = new WeakMap<Command, Span>();
  const subscribers = {
    start(command: Command) {
      if (!isTraced()) return;
      const name = String(command.command ?? "command").toUpperCase();
      const span = childSpan(name, {
        "db.system.name": "redis",
        "db.operation.name": name,
        ...(command.serverAddress && { "server.address": command.serverAddress }),
        ...(command.serverPort && { "server.port": command.serverPort }),
      });
      spans.set(command, span);
    },
    end() {},
    asyncStart() {},
    asyncEnd(command: Command) {
      const span = spans.get(command);
      if (span) endSpan(span, command.error);
    },
    error() {},
  };
  channel.subscribe(subscribers);
  return () => channel.unsubscribe(subscribers);
}
