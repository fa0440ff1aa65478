/** What a PEFT directory holds. */
export const ADAPTER_FILES = ['adapter_config.json', 'adapter_model.safetensors'] as const;
