export { type Appender, type AppenderOptions, createAppender } from "./appender.ts";
export { type Broker, type BrokerState, connectBroker } from "./broker.ts";
export { type Consumer, type ConsumerOptions, type ConsumerState, createConsumer } from "./consumer.ts";
export {
  BROKER_USERS,
  type BrokerUser,
  type BrokerUserPermissions,
  brokerDefinitions,
  permissionsOf,
  topologyDefinitions,
} from "./definitions.ts";
export type { EventHandler } from "./effect.ts";
export { emit } from "./emit.ts";
export { MAX_EVENT_BYTES } from "./envelope.ts";
export { BrokerUnavailable, EventRefused } from "./errors.ts";
export { keyEvent } from "./key-events.ts";
export type { Logger } from "./logger.ts";
export { createLossyProducer, type LossyProducer, type LossyProducerOptions } from "./lossy.ts";
export { listParked, type ParkedMessage, redriveParked } from "./parked.ts";
export { createRelay, type Relay, type RelayOptions } from "./relay.ts";
export {
  AUDIT_BINDING,
  AUDIT_QUEUE,
  assertConsumerQueue,
  assertTopology,
  auditRoutingKey,
  checkTopology,
  EVENTS_EXCHANGE,
} from "./topology.ts";
