# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Reads what tells of the licence of a Windows guest, for Windows PowerShell 5.1 and later. Nothing is
# changed, what is read is judged on the controller, and whatever may take long has a bound.

[CmdletBinding()]
param (
    # Registry keys with the settings of the driver, the one that wins last.
    [string[]] $Root,
    # Where the token is, empty for what the settings say, or else the vendor's folder.
    [string] $TokenFolder = '',
    [string] $ServiceName,
    [string] $NvidiaSmi,
    # Whether the driver and its log are asked too, and which servers: "address port" each.
    [bool] $Ask = $true,
    [string[]] $Server = @()
)

$ErrorActionPreference = 'Stop'

function Read-RootKey([string] $Path) {
    $found = @{ path = $Path; exists = (Test-Path -LiteralPath $Path); settings = @{} }
    if ($found.exists) {
        $key = Get-Item -LiteralPath $Path
        foreach ($name in $key.GetValueNames()) {
            $found.settings[$name] = [string]$key.GetValue($name)
        }
    }
    return $found
}

function Find-Program([string] $Name) {
    $places = @($Name)
    if ($Name -notmatch '[\\/]') {
        # Older drivers have it in a folder that is not on the PATH.
        $places += "$env:ProgramFiles\NVIDIA Corporation\NVSMI\nvidia-smi.exe"
    }
    foreach ($place in $places) {
        $command = Get-Command -Name $place -CommandType Application -ErrorAction SilentlyContinue |
            Select-Object -First 1
        if ($command) {
            return $command.Path
        }
    }
    return $null
}

function Invoke-Program([string] $Path, [string] $Arguments, [int] $Seconds) {
    $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo
    $start.FileName = $Path
    $start.Arguments = $Arguments
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardOutput = $true
    $process = [System.Diagnostics.Process]::Start($start)
    $reading = $process.StandardOutput.ReadToEndAsync()
    if (-not $process.WaitForExit($Seconds * 1000)) {
        $process.Kill()
        return @{ text = $null; error = "$Path gave no answer within $Seconds s" }
    }
    if (-not $reading.Wait(5000)) {
        return @{ text = $null; error = "$Path ended and its output did not" }
    }
    if ($process.ExitCode -ne 0) {
        return @{ text = $reading.Result; error = "$Path ended with $($process.ExitCode)" }
    }
    return @{ text = $reading.Result; error = $null }
}

function Read-Driver([string] $Name) {
    $path = Find-Program $Name
    if (-not $path) {
        return @{ text = $null; error = "$Name is not there" }
    }
    return Invoke-Program $path '-q' 30
}

function Read-Log {
    # Where the vendor's later guides have it.
    $path = "$env:SystemDrive\Users\Public\Documents\NvidiaLogging\Log.NVDisplay.Container.exe.log"
    if (-not (Test-Path -LiteralPath $path -PathType Leaf)) {
        return $null
    }
    # Joined, since each line on its own carries where it was read.
    return @(Get-Content -LiteralPath $path -Tail 500 -ErrorAction SilentlyContinue) -join "`n"
}

function Read-HttpDate([string] $Address, [int] $Port) {
    $shown = $Address
    if ($Address.Contains(':')) {
        $shown = "[$Address]"
    }
    $scheme = 'http'
    if ($Port -eq 443) {
        $scheme = 'https'
    }
    $response = $null
    try {
        $request = [System.Net.WebRequest]::Create("${scheme}://${shown}:$Port/")
        $request.Method = 'HEAD'
        $request.Timeout = 5000
        $request.AllowAutoRedirect = $false
        $request.Proxy = New-Object -TypeName System.Net.WebProxy
        $response = $request.GetResponse()
    }
    catch {
        # An answer such as 404 is an error here, and has a date too.
        if ($_.Exception.InnerException -is [System.Net.WebException]) {
            $response = $_.Exception.InnerException.Response
        }
    }
    if (-not $response) {
        return $null
    }
    $date = $response.Headers['Date']
    $response.Close()
    return $date
}

function Read-Server([string] $Address, [int] $Port) {
    $found = @{
        address = $Address; port = $Port; resolved = $null; connected = $null; ping = $null
        error = $null; date = $null; at = $null
    }
    try {
        $resolving = [System.Net.Dns]::GetHostAddressesAsync($Address)
        $found.resolved = $resolving.Wait(5000)
    }
    catch {
        $found.resolved = $false
        $found.error = $_.Exception.GetBaseException().Message
        return $found
    }
    if (-not $found.resolved) {
        $found.error = 'no answer to the question for its address within 5 s'
        return $found
    }
    $found.connected = $false
    foreach ($each in @($resolving.Result | Select-Object -First 4)) {
        $client = New-Object -TypeName System.Net.Sockets.TcpClient -ArgumentList $each.AddressFamily
        try {
            $found.connected = $client.ConnectAsync($each, $Port).Wait(5000)
            if (-not $found.connected) {
                $found.error = "$each does not answer within 5 s"
            }
        }
        catch {
            $found.error = $_.Exception.GetBaseException().Message
        }
        finally {
            $client.Close()
        }
        if ($found.connected) {
            $found.error = $null
            $found.date = Read-HttpDate $Address $Port
            $found.at = [DateTime]::UtcNow.ToString('o')
            return $found
        }
    }
    try {
        $ping = New-Object -TypeName System.Net.NetworkInformation.Ping
        $found.ping = $ping.Send($Address, 2000).Status -eq 'Success'
    }
    catch {
        $found.ping = $null
    }
    return $found
}

function Test-ClockSource {
    # True and false for a clock that is kept or not, null where that is not known.
    $service = Get-Service -Name W32Time -ErrorAction SilentlyContinue
    if (-not $service) {
        return $null
    }
    if ($service.Status -ne 'Running') {
        return $false
    }
    $told = Invoke-Program "$env:SystemRoot\System32\w32tm.exe" '/query /status' 10
    # The first number in parentheses is the leap indicator, in any language: 3 is not synchronised.
    if (-not $told.error -and $told.text -match ':\s*([0-3])\s*\(') {
        return $Matches[1] -ne '3'
    }
    return $null
}

$keys = @($Root | ForEach-Object { Read-RootKey $_ })
$folder = $TokenFolder
foreach ($key in $keys) {
    if (-not $TokenFolder -and $key.settings['ClientConfigTokenPath']) {
        $folder = $key.settings['ClientConfigTokenPath']
    }
}
if (-not $folder) {
    $folder = "$env:ProgramFiles\NVIDIA Corporation\vGPU Licensing\ClientConfigToken"
}
$tokens = @()
if (Test-Path -LiteralPath $folder -PathType Container) {
    # The filter of Windows itself would find longer endings too.
    $tokens = @(Get-ChildItem -LiteralPath $folder -Force |
            Where-Object { -not $_.PSIsContainer -and $_.Extension -eq '.tok' } |
            ForEach-Object { $_.Name })
}
$service = Get-Service -Name $ServiceName -ErrorAction SilentlyContinue
$result = @{
    roots = $keys
    token_folder = $folder
    tokens = $tokens
    service = @{
        name = $ServiceName
        exists = [bool]$service
        running = ($service -and $service.Status -eq 'Running')
    }
}
if ($Ask) {
    $result.driver = Read-Driver $NvidiaSmi
    $result.log = Read-Log
    $result.servers = @(foreach ($each in $Server) {
            $address, $port = $each -split ' '
            Read-Server $address ([int]$port)
        })
    $result.clock = @{ now = [DateTime]::UtcNow.ToString('o'); synchronized = (Test-ClockSource) }
}

$Ansible.Changed = $false
$Ansible.Result = $result
