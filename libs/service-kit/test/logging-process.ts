// Logs to its standard output, as a service does, and goes on whatever becomes of the lines.
import { droppedLines } from "../src/line-writer.ts";
import { createLogger } from "../src/logger.ts";

const logger = createLogger({ service: "test", level: "info" });
await new Promise((resolve) => setTimeout(resolve, 200)); // the other end closes meanwhile
for (let count = 0; count < 50; count++) logger.info({ count }, "a line");
process.stderr.write(`dropped ${droppedLines()}\n`);
