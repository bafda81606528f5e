-- What scripts may see. Takes the table of their global variables and the functions made in Rust; answers the function that
-- runs a script under a handler of errors.
local globals, redis, plain, random, seed = ...
local pcall, xpcall, error, type, rawset, rawtostring, setmetatable, select, unpack =
  pcall, xpcall, error, type, rawset, tostring, setmetatable, select, unpack
local environment = _G

local protected = {}
local function readonly() error('Attempt to modify a readonly table', 2) end
local function protect(t)
  local proxy = setmetatable({}, {__index = t, __newindex = readonly, __metatable = false})
  protected[proxy] = true
  return proxy
end

for _, name in ipairs({'assert', 'error', 'getmetatable', 'ipairs', 'load', 'loadstring', 'next', 'pairs', 'rawequal', 'rawget',
  'select', 'setmetatable', 'tonumber', 'type', 'unpack', '_VERSION'}) do
  globals[name] = environment[name]
end

-- An error of redis.call travels as a value of Rust's until somebody looks at it.
local function seen(ok, ...)
  if ok then return ok, ... end
  return ok, plain(..., false)
end
globals.pcall = function(...) return seen(pcall(...)) end
globals.xpcall = function(f, handler)
  return xpcall(f, function(e) return handler((plain(e, true))) end)
end

globals.rawset = function(t, k, v)
  if protected[t] then error('Attempt to modify a readonly table', 2) end
  return rawset(t, k, v)
end

-- Addresses differ from run to run.
globals.tostring = function(...)
  local v = ...
  local t = type(v)
  if t == 'function' or t == 'thread' or t == 'userdata' or t == 'table' and not getmetatable(v) then
    return t .. ': 0x00000000'
  end
  return rawtostring(...)
end
globals.collectgarbage = function() return 0 end
globals.gcinfo = function() return 0 end

math.random, math.randomseed = random, seed
for _, name in ipairs({'coroutine', 'math', 'string', 'table'}) do globals[name] = protect(environment[name]) end
globals.redis = protect(redis)
globals._G = environment
getmetatable('').__metatable = false

setmetatable(globals, {__index = function(_, name)
  error("Script attempted to access nonexistent global variable '" .. rawtostring(name) .. "'", 2)
end})
for _, name in ipairs((function() local all = {} for name in pairs(environment) do all[#all + 1] = name end return all end)()) do
  environment[name] = nil
end
protected[environment] = true
setmetatable(environment, {__index = globals, __newindex = readonly, __metatable = false})

return xpcall
