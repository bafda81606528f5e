-- What scripts may see. Takes the table of their global variables and the functions made in Rust; answers the function that
-- runs a script under a handler of errors.
local globals, redis, plain, own = ...
local pcall, xpcall, error, tostring, setmetatable = pcall, xpcall, error, tostring, setmetatable
local environment = _G

local function readonly() error('Attempt to modify a readonly table', 2) end
local function protect(t)
  return setmetatable({}, {__index = t, __newindex = readonly, __metatable = false, __protected = true})
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

-- These are made in Rust and not here: a script that ends with a call of a function of Lua's own leaves its line behind.
for name, f in pairs(own) do globals[name] = f end
math.random, math.randomseed = own.random, own.randomseed
globals.random, globals.randomseed = nil, nil
for _, name in ipairs({'coroutine', 'math', 'string', 'table'}) do globals[name] = protect(environment[name]) end
globals.redis = protect(redis)
globals._G = environment
getmetatable('').__metatable = false

setmetatable(globals, {__index = function(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end})
for _, name in ipairs((function() local all = {} for name in pairs(environment) do all[#all + 1] = name end return all end)()) do
  environment[name] = nil
end
setmetatable(environment, {__index = globals, __newindex = readonly, __metatable = false, __protected = true})

return xpcall
