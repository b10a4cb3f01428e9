// The wire form of a refusal over HTTP: RFC 9457 problem details. One of the few places where a code becomes a status.
import { CODES } from '../domain/codes.ts';
import { HIDDEN, type No, type Reply } from './call.ts';

const PROBLEM = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };

/** Bodies of a hidden and of a non-existing thing are the same bytes. */
const NOT_FOUND: Reply = {
  status: 404,
  headers: PROBLEM,
  body: JSON.stringify({ type: 'about:blank', title: 'Not Found', status: 404 }),
};

/** Says no in plain HTTP. INVARIANT I9: what is hidden looks like what does not exist. */
export function problem(no: No): Reply {
  if (HIDDEN.has(no.code)) return NOT_FOUND;
  const row = CODES[no.code];
  const body = {
    schema: 'cordon.error/v1',
    type: 'about:blank',
    title: row.title,
    status: row.status,
    ...(no.reason === undefined ? {} : { detail: no.reason }),
    code: no.code,
    kind: row.kind,
    retryable: row.retryable,
    ...(no.decisionId === undefined ? {} : { decision_id: no.decisionId }),
  };
  return { status: row.status, headers: { ...PROBLEM, ...extraHeaders(row.status, no) }, body: JSON.stringify(body) };
}

/** The same of a forward proxy, whose own 401 is a 407 (RFC 9110 §11.7.1): a 401 would be that of the host. */
export function proxyProblem(no: No): Reply {
  const { status, headers, body } = problem(no);
  if (status !== 401) return { status, headers, body };
  const { 'www-authenticate': challenge = '', ...rest } = headers;
  return { status: 407, headers: { ...rest, 'proxy-authenticate': challenge }, body };
}

function extraHeaders(status: number, { challenge = 'mTLS realm="cordon"', retryAfter = 1 }: No): Record<string, string> {
  if (status === 401) return { 'www-authenticate': challenge };
  return status === 429 || status === 503 ? { 'retry-after': String(retryAfter) } : {};
}
