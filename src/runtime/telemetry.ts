/**
 * onnxruntime's Linux and macOS builds send usage events to Microsoft and keep a device identifier and logs in the
 * temporary directory unless this variable is set before the library is loaded. So this file is imported first. What the
 * user has set stays.
 */
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
