# The Ruby runtime: loads the function's handler and calls it for each invocation that the Runtime API gives.
#
# Stands alone inside every sandbox at /var/runtime/bootstrap.rb. Behaviour and texts follow "Define Lambda function handler in Ruby", "Using the Lambda
# context object to retrieve Ruby function information" and "Log and monitor Ruby Lambda functions" of the AWS Lambda Developer Guide.
# frozen_string_literal: true

require 'json'
require 'logger'
require 'socket'

# Between this process and the Runtime API, over one connection.
class HaneulRuntimeApi
  Answer = Struct.new(:headers, :body)

  def initialize(address)
    @address = address
    host, port = address.split(':')
    @socket = TCPSocket.new(host, port.to_i)
    @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
  end

  def next_invocation
    exchange('GET', 'invocation/next')
  end

  def respond(request_id, body)
    exchange('POST', "invocation/#{request_id}/response", body)
  end

  def fail(request_id, document)
    place = request_id.nil? ? 'init/error' : "invocation/#{request_id}/error"
    exchange('POST', place, JSON.generate(document), "Lambda-Runtime-Function-Error-Type: #{document[:errorType]}\r\n")
  end

  private

  def exchange(method, path, body = '', header = '')
    body = body.b
    head = "#{method} /2018-06-01/runtime/#{path} HTTP/1.1\r\nHost: #{@address}\r\nContent-Type: application/json\r\nContent-Length: #{body.bytesize}\r\n#{header}\r\n"
    @socket.write(head.b + body)
    read
  end

  def read
    exit!(0) if @socket.gets("\r\n").nil? # The server is gone.
    headers = {}
    until (line = @socket.gets("\r\n").chomp).empty?
      name, value = line.split(':', 2)
      headers[name.downcase] = value.strip.force_encoding(Encoding::UTF_8)
    end
    Answer.new(headers, @socket.read(headers.fetch('content-length', '0').to_i))
  end
end

# The handler's context.
class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name, :memory_limit_in_mb, :function_version,
              :identity, :client_context, :deadline_ms, :tenant_id

  def initialize(headers)
    @clock_diff = Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond) - Process.clock_gettime(Process::CLOCK_MONOTONIC, :millisecond)
    @deadline_ms = headers['lambda-runtime-deadline-ms'].to_i
    @aws_request_id = headers['lambda-runtime-aws-request-id']
    @invoked_function_arn = headers['lambda-runtime-invoked-function-arn']
    @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
    @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    @identity = JSON.parse(headers['lambda-runtime-cognito-identity']) if headers['lambda-runtime-cognito-identity']
    @client_context = JSON.parse(headers['lambda-runtime-client-context']) if headers['lambda-runtime-client-context']
  end

  def get_remaining_time_in_millis
    remaining = @deadline_ms - Process.clock_gettime(Process::CLOCK_MONOTONIC, :millisecond) - @clock_diff
    remaining.positive? ? remaining : 0
  end
end

# One function's process.
class HaneulRuntime
  FRAME_TEXT = [0xa55a0003].pack('N')
  JSON_LOG = ENV['AWS_LAMBDA_LOG_FORMAT'] == 'JSON'
  OUT = $stdout

  class << self
    attr_accessor :request_id

    # One log message, line breaks included, in the frame that the runtime clients use for it.
    def write_message(text)
      data = text.to_s.encode(Encoding::UTF_8, invalid: :replace, undef: :replace).b
      time = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
      OUT.flush
      STDERR.syswrite(FRAME_TEXT + [data.bytesize, time].pack('NQ>') + data)
    end
  end

  def initialize
    @api = HaneulRuntimeApi.new(ENV.fetch('AWS_LAMBDA_RUNTIME_API'))
  end

  def run
    call = load_handler(ENV.fetch('_HANDLER'))
    loop do
      invocation = @api.next_invocation
      HaneulRuntime.request_id = invocation.headers['lambda-runtime-aws-request-id']
      ENV['_X_AMZN_TRACE_ID'] = invocation.headers['lambda-runtime-trace-id']
      invoke(call, invocation)
    end
  end

  private

  def load_handler(text)
    file, *names = text.split('.')
    raise ArgumentError, "Invalid handler #{text}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD" unless [1, 2].include?(names.length)

    root = ENV.fetch('LAMBDA_TASK_ROOT', '/var/task')
    $LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
    require file
    method = names.pop
    owner = names.empty? ? TOPLEVEL_BINDING.receiver : Object.const_get(names.first)
    ->(event, context) { owner.__send__(method, event: event, context: context) }
  rescue Exception => e # What a file does when it is loaded may be anything.
    document = describe(e, 'Init')
    log_error('Init error when loading handler', document)
    @api.fail(nil, document)
    exit!(1)
  end

  def invoke(call, invocation)
    body = invocation.body.force_encoding(Encoding::UTF_8)
    result = call.call(body.empty? ? nil : JSON.parse(body), LambdaContext.new(invocation.headers))
    answer = result.respond_to?(:read) ? result.read : JSON.generate(result)
    OUT.flush
    @api.respond(HaneulRuntime.request_id, answer)
  rescue SystemExit
    raise
  rescue Exception => e # A handler may raise anything.
    document = describe(e, 'Function')
    log_error(e.is_a?(StandardError) && !e.is_a?(NameError) ? 'Error raised from handler method' : 'Critical exception from handler', document)
    @api.fail(HaneulRuntime.request_id, document)
    exit!(1) unless e.is_a?(StandardError) # Nothing that is done from here on can be relied on.
  end

  def describe(error, phase)
    trace = (error.backtrace || []).reject { |line| line.start_with?(__FILE__) || line.start_with?('<internal:') }
    { errorMessage: error.message, errorType: "#{phase}<#{error.class}>", stackTrace: trace }
  end

  def log_error(what, document)
    HaneulRuntime.write_message(JSON_LOG ? JSON.generate(level: 'ERROR', requestId: HaneulRuntime.request_id, **document) : "#{what}\n#{JSON.pretty_generate(document)}")
  end
end

# Loggers to standard output write in Lambda's format unless they have one of their own, a message as one entry of the log.
module HaneulLogging
  LINE = lambda do |severity, time, program, message|
    text = message.is_a?(String) ? message : message.inspect
    stamp = time.utc.strftime('%Y-%m-%dT%H:%M:%S.%6N')
    if HaneulRuntime::JSON_LOG
      JSON.generate(timestamp: time.utc.strftime('%Y-%m-%dT%H:%M:%S.%3NZ'), level: severity, message: text, requestId: HaneulRuntime.request_id)
    else
      "#{severity[0]}, [#{stamp} ##{Process.pid}] #{HaneulRuntime.request_id} #{severity.rjust(5)} -- #{program}: #{text}"
    end
  end

  # Takes what a logger has made.
  class Device
    def write(text)
      HaneulRuntime.write_message(text)
    end

    def close; end
  end

  def initialize(target = nil, *arguments, **options)
    ours = [HaneulRuntime::OUT, STDOUT, STDERR].include?(target) && !options.key?(:formatter)
    options[:formatter] = LINE if ours
    options[:level] ||= level_wanted if level_wanted
    super(ours ? Device.new : target, *arguments, **options)
  end

  private

  def level_wanted
    wanted = ENV['AWS_LAMBDA_LOG_LEVEL']
    { 'TRACE' => 'DEBUG' }.fetch(wanted, wanted)
  end
end
Logger.prepend(HaneulLogging)

$stdout.sync = true
$stderr.sync = true
HaneulRuntime.new.run
