// A task that a run begins of its own, for nobody: by the client credentials of its SVID.
import { send, type Bed, type Svid } from './bed.ts';

/** @returns its token, with a mandate of these `authorization_details` */
export async function ownTask(bed: Bed, svid: Svid, details: readonly object[]): Promise<string> {
  const form = new URLSearchParams({ grant_type: 'client_credentials', authorization_details: JSON.stringify(details) });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const { json, text } = await send({ port: bed.ports.control, path: '/oauth2/token', headers, body: form.toString(), svid });
  const { access_token: token } = json as { access_token?: string };
  if (token === undefined) throw new Error(`no task token: ${text}`);
  return token;
}
