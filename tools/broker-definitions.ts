// Prints RabbitMQ's definitions: the services' users and what each may publish and read.
// Standard input: JSON {vhost, users: [{name, password}]}; standard output: JSON for load_definitions.
import { text } from "node:stream/consumers";
import { brokerDefinitions } from "@medvault/messaging";

process.stdout.write(JSON.stringify(brokerDefinitions(JSON.parse(await text(process.stdin)))));
