import { z } from "zod";
import { PageQuery, sealedPage } from "../http.ts";
import { Id } from "../ids.ts";
import { personOf, type WithoutPeople } from "../person.ts";

/** What a file may hang on. Only prescriptions so far; more kinds are additions. */
export const Attachment = z.string().regex(/^prescription\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i);

/** The fields of `POST /v1/files` that are not files, in any order among the parts. */
export const NewFiles = z.strictObject({ patientId: Id, attachTo: Attachment.optional() });
export type NewFiles = z.infer<typeof NewFiles>;

/**
 * A file's metadata. `size` is in bytes, `sha256` lower-case hex of the plain content.
 * `state` is `stored` as long as nothing scans for malware: it never claims a file to be clean.
 */
export const FileView = z.object({
  id: Id,
  patientId: Id,
  attachedTo: z.string().nullable(),
  name: z.string(),
  contentType: z.string(),
  size: z.int().nonnegative(),
  sha256: z.string(),
  state: z.enum(["stored"]),
  uploadedBy: z.string(),
  uploader: personOf("uploadedBy"),
  createdAt: z.iso.datetime(),
});
export type FileView = WithoutPeople<z.infer<typeof FileView>>;

export const UploadAnswer = z.object({ items: z.array(FileView).min(1).max(10) });
export type UploadAnswer = { items: FileView[] };

/** The service requires at least one of the two filters: there is no list of all files. */
export const FileListQuery = PageQuery.extend({
  patientId: Id.optional(),
  attachedTo: Attachment.optional(),
});
export type FileListQuery = z.infer<typeof FileListQuery>;

export const FileContentQuery = z.strictObject({ disposition: z.enum(["attachment", "inline"]).optional() });

export const FilePage = sealedPage(FileView);
