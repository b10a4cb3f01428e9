// Envoy's external authorization as Protocol Buffers, in the JSON form that @grpc/proto-loader reads: the fields that are sent or looked at
// here; others are skipped. Source: envoy-api, `service/auth/v3`, `config/core/v3/base.proto`, `type/v3/http_status.proto`.

interface Field {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
  readonly keyType?: 'string';
}

const text = (id: number): Field => ({ type: 'string', id });
const bytes = (id: number): Field => ({ type: 'bytes', id });
const of = (type: string, id: number): Field => ({ type, id });
const many = (type: string, id: number): Field => ({ rule: 'repeated', type, id });

const OPTION = 'envoy.config.core.v3.HeaderValueOption';

const auth = {
  Authorization: { methods: { Check: { requestType: 'CheckRequest', responseType: 'CheckResponse', comment: '' } } },
  CheckRequest: { fields: { attributes: of('AttributeContext', 1) } },
  AttributeContext: {
    fields: { source: of('Peer', 1), request: of('Request', 4) },
    nested: {
      Peer: { fields: { certificate: text(5) } },
      Request: { fields: { http: of('HttpRequest', 2) } },
      HttpRequest: {
        fields: {
          method: text(2),
          headers: { keyType: 'string', type: 'string', id: 3 },
          path: text(4),
          body: text(11),
          raw_body: bytes(12),
          header_map: of('envoy.config.core.v3.HeaderMap', 13),
        },
      },
    },
  },
  CheckResponse: {
    oneofs: { http_response: { oneof: ['denied_response', 'ok_response'] } },
    fields: { status: of('Status', 1), denied_response: of('DeniedHttpResponse', 2), ok_response: of('OkHttpResponse', 3) },
  },
  DeniedHttpResponse: { fields: { status: of('HttpStatus', 1), headers: many(OPTION, 2), body: text(3) } },
  OkHttpResponse: { fields: { headers: many(OPTION, 2), headers_to_remove: { rule: 'repeated', type: 'string', id: 5 } } },
  /** google.rpc.Status and envoy.type.v3.HttpStatus; only their fields matter on the wire. */
  Status: { fields: { code: { type: 'int32', id: 1 }, message: text(2) } },
  HttpStatus: { fields: { code: { type: 'int32', id: 1 } } },
};

const core = {
  HeaderMap: { fields: { headers: many('HeaderValue', 1) } },
  HeaderValue: { fields: { key: text(1), value: text(2), raw_value: bytes(3) } },
  HeaderValueOption: { fields: { header: of('HeaderValue', 1), append: of('BoolValue', 2) } },
  /** google.protobuf.BoolValue */
  BoolValue: { fields: { value: { type: 'bool', id: 1 } } },
};

export const EXT_AUTHZ = {
  nested: {
    envoy: {
      nested: {
        service: { nested: { auth: { nested: { v3: { nested: auth } } } } },
        config: { nested: { core: { nested: { v3: { nested: core } } } } },
      },
    },
  },
};
