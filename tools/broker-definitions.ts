import { text } from "node:stream/consumers";
import { brokerDefinitions } from "@medvault/messaging";
import { z } from "zod";
import { command } from "./lib/command.ts";

await command({
  name: "broker-definitions",
  help: `Prints RabbitMQ's definitions for load_definitions: the services' users and what each may publish and read.

  node tools/broker-definitions.ts < input.json > definitions.json     input: {vhost, users: [{name, password}]}`,
  options: {},
  settings: z.object({}),
  run: async () => {
    const definitions = brokerDefinitions(JSON.parse(await text(process.stdin)));
    return { lines: [JSON.stringify(definitions)], result: { definitions } };
  },
});
