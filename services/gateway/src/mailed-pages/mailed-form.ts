import { z } from "zod";
import type { PageText } from "./mailed-page.ts";

/** What a browser without script sends: a form, of which the page's own fields are taken. */
export const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/**
 * The body of the call that a page's form is for. What stands in for the token is the mail's whole
 * link, or the token alone.
 */
export function callBody(text: PageText, form: string): Record<string, unknown> {
  const given = new URLSearchParams(form);
  const link = (given.get("token") ?? "").trim();
  return {
    ...(text.takesToken && { token: /#token=([^\s#&]*)/.exec(link)?.[1] ?? link }),
    ...(text.field && { [text.field]: given.get(text.field) ?? "" }),
    ...(text.option && given.has(text.option.name) && { [text.option.name]: true }),
  };
}

const Refusal = z.object({
  detail: z.string(),
  errors: z.array(z.object({ message: z.string() })).default([]),
});

/** What a page says of a refusal: the words of its problem, which hold nothing of the request. */
export function refusalLines(status: number, problem: unknown): string[] {
  if (status === 429) return ["There were too many tries. Try again later."];
  const read = Refusal.safeParse(problem);
  if (status >= 500 || !read.success)
    return ["MedVault cannot do this at the moment. Try again in a minute; nothing was changed."];
  return [read.data.detail, ...read.data.errors.map(({ message }) => `It ${message}.`)];
}
