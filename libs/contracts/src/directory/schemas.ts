import { z } from "zod";
import { AccountRole } from "../accounts/schemas.ts";
import { searched, wellFormed } from "../fields.ts";
import { PageQuery, page } from "../http.ts";
import { Id } from "../ids.ts";

/**
 * Someone of the directory: an active account of staff. `name` is the user name where no other is
 * known; `title` and `speciality` are left out where there is none.
 */
export const DirectoryEntry = z.object({
  id: Id,
  name: z.string(),
  title: z.string().optional(),
  speciality: z.string().optional(),
  role: AccountRole,
});
export type DirectoryEntry = z.infer<typeof DirectoryEntry>;
export const DirectoryPage = page(DirectoryEntry);

/** `q`: each of its words is part of the name, the title or the user name. */
export const DirectoryQuery = PageQuery.extend({
  q: searched(100).optional(),
  role: AccountRole.optional(),
});
export type DirectoryQuery = z.infer<typeof DirectoryQuery>;

/** A whole user name, or a whole address that its owner has confirmed: never a part of one. */
export const AccountSearch = z.strictObject({ identifier: wellFormed(z.string().min(1).max(254)) });
/** One account or none. */
export const FoundAccounts = z.object({
  items: z.array(DirectoryEntry.pick({ id: true, name: true, role: true })).max(1),
});

/** How many names another service may ask for at once. */
export const MAX_NAMES = 200;
export const NamesQuestion = z.strictObject({ ids: z.array(Id).min(1).max(MAX_NAMES) });
/** Without those whom nobody knows any more. */
export const NamesAnswer = z.object({ items: z.array(z.object({ id: Id, name: z.string() })) });
