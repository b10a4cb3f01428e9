// What tests ask the agent `callee` of a bed (callee.ts), in JSON-RPC through the gateway.
import { send, type Answer, type Bed, type Svid } from './bed.ts';

export const askCallee = ({ ports }: Bed, svid: Svid, method: string, params: object, headers: object = {}): Promise<Answer> =>
  send({
    port: ports.gateway,
    path: '/a2a/callee',
    headers: { 'a2a-version': '1.0', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }),
    svid,
  });

/** Begins a task that goes on until it is cancelled. @returns its id, as the caller sees it */
export async function beginWork(bed: Bed, svid: Svid): Promise<string> {
  const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'work' }] };
  const begun = await askCallee(bed, svid, 'SendMessage', { message, configuration: { returnImmediately: true } });
  return (begun.json['result'] as { task: { id: string } }).task.id;
}
