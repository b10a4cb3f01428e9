// What every endpoint of the token service is given.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Control } from '../control.ts';
import type { OauthClient, OauthDoor } from './client.ts';
import type { Form } from './form.ts';

/** A request of a client that is who it says. */
export interface OauthRequest {
  readonly control: Control;
  readonly door: OauthDoor;
  readonly client: OauthClient;
  readonly form: Form;
  readonly http: FastifyRequest['raw'];
  readonly reply: FastifyReply;
}
