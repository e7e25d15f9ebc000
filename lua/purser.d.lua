---@meta
-- Annotations of policy API 1 for LuaLS; README.md of this folder is the reference.

---Bytes, or a text like '64MiB'.
---@alias purser.Size integer|string

---Seconds, or a text like '250ms' '90s' '15m' '12h' '7d'.
---@alias purser.Duration number|string

---@class (exact) purser.Object
---@field url string
---@field store string
---@field bucket string '' for file://
---@field key string
---@field name string last component of key
---@field path? string of the local file; nil for a stream
---@field size_bytes? integer nil for a stream
---@field sent_bytes? integer of a stream so far; nil for a file
---@field mtime? integer unix seconds
---@field workflow? string 'namespace/name'
---@field labels table<string, string>

---@class (exact) purser.Failure
---@field operation string
---@field class 'never'|'transient'|'throttle'|'after_fix'|'resend_part'
---@field http_status integer 0 = no answer came
---@field store_code string '' = none
---@field attempt integer attempts that failed so far, from 1
---@field elapsed_ms integer since the first attempt
---@field retry_after_ms? integer
---@field part_number? integer
---@field object? purser.Object

---@class (exact) purser.UploadAnswer
---@field reason string
---@field threshold? purser.Size multipart from this size on
---@field concurrency? integer 1 to 64
---@field checksum? 'auto'|'crc64nvme'|'crc64ecma'|'crc32c'|'crc32'|'sha256'|'md5'
---@field storage_class? string
---@field tags? table<string, string>
---@field metadata? table<string, string>
---@field skip? boolean true: do not upload

---@class (exact) purser.LifecycleRow
---@field prefix string of keys, or 's3://BUCKET/PREFIX'
---@field tags? table<string, string>
---@field expire? purser.Duration whole days
---@field archive? { after: purser.Duration, class: string }
---@field abort_incomplete? purser.Duration whole days
---@field expire_noncurrent? purser.Duration whole days

---@class (exact) purser.PartSizeAnswer
---@field reason string
---@field bytes purser.Size

---@class (exact) purser.RetryAnswer
---@field reason string
---@field after? purser.Duration
---@field give_up? boolean

---@class (exact) purser.Artifact
---@field url string
---@field store string
---@field key string
---@field name string
---@field size_bytes? integer
---@field created? integer unix seconds
---@field age_s integer
---@field storage_class string '' = the bucket's default
---@field labels table<string, string>
---@field strategy ''|'Never'|'OnWorkflowCompletion'|'OnWorkflowDeletion'
---@field node_status string
---@field event 'age'|'completed'|'deleted'|'cleared'

---@class (exact) purser.Workflow
---@field namespace string
---@field name string
---@field uid string
---@field template string
---@field status ''|'Running'|'Succeeded'|'Failed'|'Error'
---@field created? integer unix seconds
---@field finished? integer unix seconds
---@field deleted? integer unix seconds
---@field newer integer finished runs of the same template that finished later, to 100
---@field labels table<string, string>
---@field annotations table<string, string>

---@class (exact) purser.ReclaimAnswer
---@field reason string
---@field action? 'keep'|'delete'|'archive'
---@field after? purser.Duration counted from the event
---@field class? string storage class of archive

---@class (exact) purser.Policy
---@field api 1
---@field name string
---@field upload? fun(object: purser.Object, now: integer): purser.UploadAnswer?
---@field part_size? fun(object: purser.Object, now: integer): purser.PartSizeAnswer?
---@field retry? fun(failure: purser.Failure, now: integer): purser.RetryAnswer?
---@field reclaim? fun(artifact: purser.Artifact, workflow: purser.Workflow?, now: integer): purser.ReclaimAnswer?
---@field download? function known, not asked yet
---@field lifecycle? purser.LifecycleRow[]

purser = {}

---Whether text matches: '*' any bytes but '/', '**' any bytes, '?' one byte but '/'.
---@param pattern string to 1,024 bytes
---@param text string to 4,096 bytes
---@return boolean
function purser.glob(pattern, text) end

---Whether text begins with prefix.
---@param prefix string
---@param text string
---@return boolean
function purser.prefix(prefix, text) end

---A duration in seconds; raises when it is none.
---@param value purser.Duration
---@return number
function purser.duration(value) end

---A size in bytes; raises when it is none.
---@param value purser.Size
---@return integer
function purser.size(value) end

---value, at least `least`, at most `most`.
---@generic T: number
---@param value T
---@param least T
---@param most T
---@return T
function purser.clamp(value, least, most) end

---A line in purser's log, level info; 20 a call.
---@param value any
function purser.log(value) end
