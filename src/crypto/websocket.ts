// The nonce of a WebSocket handshake and the answer that proves it was read (RFC 6455 §1.3). SHA-1 is the protocol's; no secret rests on it.
import { hash, randomBytes } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** `Sec-WebSocket-Key` */
export const websocketKey = (): string => randomBytes(16).toString('base64');

/** `Sec-WebSocket-Accept` */
export const websocketAccept = (key: string): string => hash('sha1', `${key}${GUID}`, 'base64');
