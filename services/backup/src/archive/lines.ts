import type { z } from "zod";

const MAX_LINE_BYTES = 4 * 1024;

/** Items as one JSON a line. */
export async function* toLines(items: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const item of items) yield Buffer.from(`${JSON.stringify(item)}\n`);
}

/** Lines of JSON, each as `schema` has it; holds one line. Throws RangeError for anything else. */
export async function* fromLines<T>(bytes: AsyncIterable<Buffer>, schema: z.ZodType<T>): AsyncGenerator<T> {
  let held = "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for await (const chunk of bytes) {
    const lines = (held + decoder.decode(chunk, { stream: true })).split("\n");
    held = lines.pop() ?? "";
    if (held.length > MAX_LINE_BYTES) throw new RangeError("a line is too long");
    for (const line of lines) yield schema.parse(JSON.parse(line));
  }
  if (held !== "") throw new RangeError("the last line is not whole");
}

/** Passes items on and counts them. */
export class Count {
  items = 0;
  async *of<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const item of items) {
      this.items += 1;
      yield item;
    }
  }
}
