/** Refusals whose event is written already, by whoever knew more about them than the HTTP layer. */
const recorded = new WeakSet<Error>();

/** Notes that this refusal has left its event; answers it for throwing. */
export function markRecorded<E extends Error>(error: E): E {
  recorded.add(error);
  return error;
}

/** Whether this refusal has left its event. */
export function isRecorded(error: Error): boolean {
  return recorded.has(error);
}
